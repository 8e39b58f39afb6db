import { afterEach, expect, test } from 'vitest'
import {
  callModel,
  currentScope,
  heldMsP99,
  type Policy,
  runInScope,
  type Scope,
  scopeHooks,
  sleep,
} from './index.ts'
import { fakeClock, fakeModel, resetStatistics } from './testing.ts'

const warnings: Error[] = []
const onWarning = (warning: Error) => {
  warnings.push(warning)
}
process.on('warning', onWarning)
afterEach(() => {
  warnings.length = 0
})

/** Warnings come in a later turn. */
const turn = () => new Promise((resolve) => setImmediate(resolve))

test('the end waits for what is held, also for what is held only then, and for nothing else', async () => {
  const order: string[] = []
  const { promise: first, resolve: resolveFirst } = Promise.withResolvers<void>()
  const { promise: second, resolve: resolveSecond } = Promise.withResolvers<void>()
  let scope: Scope | undefined
  const running = runInScope({}, (opened) => {
    scope = opened
    opened.hold(
      first.then(() => {
        order.push('first')
        opened.hold(second.then(() => order.push('second')))
      }),
    )
  }).then(() => order.push('ended'))
  await turn()
  expect(scope?.ended).toBe(true)
  resolveFirst()
  await turn()
  expect(order).toEqual(['first'])
  resolveSecond()
  await running
  expect(order).toEqual(['first', 'second', 'ended'])
})

test('the end waits until just before the deadline, when there is still time to answer, and no longer', async () => {
  const clock = fakeClock()
  let over = false
  const running = runInScope({ clock, deadlineMs: clock.now() + 1_000 }, (scope) => {
    scope.hold(new Promise(() => {}))
  }).then(() => {
    over = true
  })
  await clock.advance(900)
  expect(over).toBe(false)
  await clock.advance(99)
  expect(over).toBe(true)
  await running
  expect(clock.pending).toBe(0)
})

test('listeners to the end hear of it once, when what is held has settled, or time is up', async () => {
  const clock = fakeClock()
  const order: string[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  const told = (name: string) => () => {
    order.push(name)
  }
  const running = runInScope({ clock }, (scope) => {
    scope.onEnd(told('listener'))
    scope.hold(promise.then(told('held')))
    scope.signal.addEventListener('abort', told('aborted'))
    void scope.end()
  }).then(told('over'))
  await turn()
  expect(order).toEqual(['aborted'])
  resolve()
  await running
  expect(order).toEqual(['aborted', 'held', 'listener', 'over'])

  const late = runInScope({ clock, deadlineMs: clock.now() + 100 }, (scope) => {
    scope.onEnd(told('late'))
    scope.hold(new Promise(() => {}))
  })
  await clock.advance(100)
  await late
  await runInScope({}, (scope) => scope.onEnd(() => scope.hold(turn().then(told('held by a listener')))))
  expect(order.slice(4)).toEqual(['late', 'held by a listener'])
})

test('a deadline that has passed already waits for nothing', async () => {
  const clock = fakeClock()
  const running = runInScope({ clock, deadlineMs: clock.now() - 5 }, (scope) => {
    scope.hold(new Promise(() => {}))
  })
  await clock.advance(0)
  await running
})

test('what is done in time leaves no timer', async () => {
  const clock = fakeClock()
  await runInScope({ clock, deadlineMs: clock.now() + 1_000 }, (scope) => scope.hold(Promise.resolve()))
  expect(clock.pending).toBe(0)
})

test.for([
  ['an error', new RangeError('secret payload'), 'RangeError'],
  ['no error', 'secret payload', 'string'],
] as const)(
  'held work that rejects with %s is a warning that tells its name only',
  async ([, reason, name]) => {
    await runInScope({}, (scope) => scope.hold(Promise.reject(reason)))
    await turn()
    expect(warnings).toMatchObject([{ name: 'SluiceWarning', message: expect.stringContaining(`(${name})`) }])
    expect(warnings[0]?.stack).not.toMatch(/secret/)
  },
)

test('the end is the same for everybody who asks', async () => {
  await runInScope({}, async (scope) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    scope.hold(promise)
    const ends = [scope.end(), scope.end()]
    expect(ends[0]).toBe(ends[1])
    resolve()
    await Promise.all(ends)
  })
})

test('the end aborts the signal, also for those who listen between two calls', async () => {
  let idle: Scope | undefined
  const listened: string[] = []
  await runInScope({}, (scope) => {
    idle = scope
    scope.signal.addEventListener('abort', () => listened.push('end'))
  })
  expect(listened).toEqual(['end'])
  expect(idle?.signal.reason).toMatchObject({ name: 'ScopeEndedError' })
  let busy: Scope | undefined
  await runInScope({}, (scope) => {
    busy = scope
    callModel(scope, fakeModel({ before: () => new Promise(() => {}) }).request()).catch(() => {})
  })
  expect(busy?.signal.reason).toMatchObject({ name: 'ScopeEndedError' })
})

test('work that throws ends its scope too', async () => {
  let scope: Scope | undefined
  const failing = runInScope({}, (opened) => {
    scope = opened
    throw new RangeError('of the work')
  })
  await expect(failing).rejects.toThrow(RangeError)
  expect(scope?.ended).toBe(true)
})

test('there is no scope outside, the own one inside, and the outer one after an inner one', async () => {
  expect(currentScope()).toBeUndefined()
  await runInScope({ requestId: 'outer' }, async (outer) => {
    expect(currentScope()).toBe(outer)
    await runInScope({ requestId: 'inner' }, async (inner) => {
      await turn()
      expect(currentScope()).toBe(inner)
    })
    expect(currentScope()).toBe(outer)
  })
  expect(currentScope()).toBeUndefined()
})

test('scopes without a request id have ids of their own', async () => {
  const ids = await Promise.all([1, 2, 3].map(() => runInScope({}, ({ id }) => id)))
  expect(new Set(ids).size).toBe(3)
})

test('a context tells request id, tenant and deadline; that of a durable execution keeps them inside', async () => {
  const clock = fakeClock()
  const scopes: Scope[] = []
  const hooks = scopeHooks({ name: 'probe', clock, enter: (scope) => void scopes.push(scope) })
  const lambdaContext = { awsRequestId: 'request', tenantId: 'acme', getRemainingTimeInMillis: () => 5_000 }
  const told = { requestId: 'request', tenant: 'acme', deadlineMs: clock.now() + 5_000 }
  for (const context of [lambdaContext, { lambdaContext }, {}]) {
    const request = { event: {}, context, response: undefined }
    hooks.before(request)
    await hooks.after(request)
  }
  expect(scopes).toMatchObject([told, told, { requestId: undefined, deadlineMs: Number.POSITIVE_INFINITY }])
  expect(scopes.every(({ ended }) => ended)).toBe(true)
})

test('a hook that throws while it enters leaves a scope that onError ends', async () => {
  let scope: Scope | undefined
  const hooks = scopeHooks({
    name: 'broken',
    enter(opened) {
      scope = opened
      throw new RangeError('of the hook')
    },
  })
  const request = { event: {}, context: {}, response: undefined }
  expect(() => hooks.before(request)).toThrow(RangeError)
  expect(scope?.ended).toBe(false)
  await hooks.onError(request)
  expect(scope?.ended).toBe(true)
})

test('a deadline that a middleware has lowered leaves the drain the time of the invocation', async () => {
  const clock = fakeClock()
  const { promise, resolve } = Promise.withResolvers<void>()
  let over = false
  const running = runInScope({ clock, deadlineMs: clock.now() + 1_000 }, (scope) => {
    scope.deadlineMs -= 900
    scope.hold(promise)
  }).then(() => {
    over = true
  })
  await clock.advance(900)
  expect(over).toBe(false)
  resolve()
  await running
})

test('how long what is held takes is learned, and no longer than the invocation lasts', async () => {
  resetStatistics()
  expect(heldMsP99()).toBeUndefined()
  const clock = fakeClock()
  const held: Promise<void>[] = []
  const running = runInScope({ clock, deadlineMs: clock.now() + 1_000 }, (scope) => {
    for (const durationMs of [40, 120, 60_000]) {
      held.push(sleep(clock, durationMs, new AbortController().signal))
      scope.hold(held.at(-1) as Promise<void>)
    }
  })
  await clock.advance(120)
  expect(heldMsP99()).toBe(120)
  await clock.advance(60_000)
  await running
  expect(heldMsP99()).toBe(1_000)
  await runInScope({ clock }, async (scope) => {
    for (let i = 0; i < 128; i++) scope.hold(Promise.resolve())
  })
  expect(heldMsP99()).toBe(0)
})

test('a handler inside of another one has no more time than that one', () => {
  const context = { awsRequestId: 'nested', getRemainingTimeInMillis: () => 10_000 }
  const deadlines: number[] = []
  const hooks = (enter: (scope: Scope) => void) =>
    scopeHooks({ name: 'test', clock: fakeClock(5_000), enter })
  const outer = hooks((scope) => {
    scope.deadlineMs = 9_000
    const inner = hooks(({ deadlineMs }) => deadlines.push(deadlineMs))
    const request = { event: {}, context, response: undefined }
    inner.before(request)
    inner.after(request)
  })
  outer.before({ event: {}, context, response: undefined })
  expect(deadlines).toEqual([9_000])
})

test('a call that the end has ended is over before those who sum up are told', async () => {
  const ended: string[] = []
  const waits: Policy = {
    name: 'waits',
    stage: 'retry',
    wrap: () => (_request, context) => {
      context.call.onEnd(() => ended.push('call'))
      return sleep(context.scope.clock, 60_000, context.signal) as never
    },
  }
  await runInScope({ policies: [waits] }, (scope) => {
    scope.onEnd(() => ended.push('scope'))
    callModel(scope, fakeModel().request()).catch(() => {})
  })
  expect(ended).toEqual(['call', 'scope'])
})

test('what is held leads to more that is held: the end waits for the last', async () => {
  const done: number[] = []
  await runInScope({}, (scope) => {
    function holdNext(left: number): void {
      if (left > 0) scope.hold(turn().then(() => holdNext(left - 1)))
      done.push(left)
    }
    holdNext(5)
  })
  expect(done).toEqual([5, 4, 3, 2, 1, 0])
})

test('who hears of the end finds that the scope has ended', async () => {
  let found: boolean | undefined
  await runInScope({}, (scope) => {
    scope.signal.addEventListener('abort', () => {
      found = scope.ended
    })
  })
  expect(found).toBe(true)
})
