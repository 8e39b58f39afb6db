import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type AttemptPolicy,
  attemptStages,
  type CallPolicy,
  callModel,
  callStages,
  type Policy,
  runInScope,
  scopeHooks,
} from './index.ts'
import { fakeModel } from './testing.ts'

const stages = [...callStages, ...attemptStages]

function tracing(stage: (typeof stages)[number], trace: string[]): Policy {
  const wrap = (next: (...args: never[]) => unknown) =>
    function traced(...args: never[]) {
      trace.push(stage)
      return next(...args)
    }
  return { name: stage, stage, wrap } as unknown as Policy
}

test('every order of .use() treats the calls of the handler alike', async () => {
  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray(stages, { minLength: 1 }), async (order) => {
      const trace: string[] = []
      await runInScope({ policies: order.map((stage) => tracing(stage, trace)) }, (scope) =>
        callModel(scope, fakeModel().request()),
      )
      expect(trace).toEqual(stages.filter((stage) => order.includes(stage)))
    }),
  )
})

test('every order of middlewares opens one scope and ends it once, whichever is first', async () => {
  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray(stages, { minLength: 1 }), async (order) => {
      const trace: string[] = []
      const hooks = order.map((stage) =>
        scopeHooks({ name: stage, enter: (scope) => scope.use(tracing(stage, trace)) }),
      )
      const request = { event: {}, context: {}, response: undefined as unknown }
      let ends = 0
      let scopeSignal: AbortSignal | undefined
      const probe = scopeHooks({
        name: 'probe',
        enter(scope) {
          scopeSignal = scope.signal
          scope.use({
            name: 'probe',
            stage: 'cache',
            wrap: (next) => (modelRequest, context) => {
              context.call.onEnd(() => ends++)
              return next(modelRequest, context)
            },
          } satisfies CallPolicy)
        },
      })
      const { currentScope } = await import('./index.ts')
      await new Promise<void>((resolve, reject) => {
        // As Middy: all befores, the handler, then the afters in reverse.
        for (const hook of [...hooks, probe]) hook.before(request)
        const scope = currentScope()
        callModel(scope as NonNullable<typeof scope>, fakeModel().request())
          .then(async () => {
            for (const hook of [probe, ...hooks.toReversed()]) await hook.after(request)
            expect(scope?.ended).toBe(true)
          })
          .then(resolve, reject)
      })
      expect(scopeSignal).toBeDefined()
      expect(ends).toBe(1)
      expect(trace).toEqual(stages.filter((stage) => order.includes(stage)))
    }),
    { numRuns: 30 },
  )
})

test('two policies of one name are refused', async () => {
  await runInScope({}, (scope) => {
    scope.use(tracing('retry', []))
    expect(() => scope.use(tracing('retry', []))).toThrow(/Two policies are named "retry"/)
  })
})

test('a policy that comes after the first call is refused', async () => {
  await runInScope({}, async (scope) => {
    await callModel(scope, fakeModel().request())
    expect(() => scope.use(tracing('retry', []))).toThrow(/after the first model call/)
  })
})

test('an unknown stage is refused by name', async () => {
  await runInScope({}, (scope) => {
    expect(() => scope.use({ name: 'x', stage: 'early', wrap: (next: unknown) => next } as never)).toThrow(
      /stage "early".*deadline/,
    )
  })
})

test('defaults hold unless the scope has a policy of the same name', async () => {
  const trace: string[] = []
  const own: AttemptPolicy = { ...(tracing('meter', trace) as AttemptPolicy), name: 'quota' }
  const fallback = [tracing('quota', trace)]
  await runInScope({ policies: [own] }, (scope) =>
    callModel(scope, fakeModel().request(), { defaults: fallback }),
  )
  await runInScope({}, (scope) => callModel(scope, fakeModel().request(), { defaults: fallback }))
  expect(trace).toEqual(['meter', 'quota'])
})
