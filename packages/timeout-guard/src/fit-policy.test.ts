import { callModel, sleep } from '@sluice/core'
import { fakeModel } from '@sluice/core/testing'
import { fallback } from '@sluice/model-invocation'
import { expect, test } from 'vitest'
import { acts, after, attempts, clock, freshSandbox, invoke, learn } from './fixtures/guarded-invocation.ts'

freshSandbox()

/** At 5 tokens a second, with `leftMs` until the deadline. */
async function askedFor(
  maxTokens: number | undefined,
  leftMs: number,
  { floor = 1, mode = 'enforce' }: { floor?: number; mode?: 'enforce' | 'observe' } = {},
): Promise<number | undefined> {
  const model = fakeModel(after(1_000))
  await learn(model)
  const running = invoke({ options: { fitMaxTokens: { floor }, mode } }, async (scope) => {
    await sleep(clock, 10_000 - leftMs, scope.signal)
    await callModel(scope, model.request({ maxTokens }))
  }).catch(() => {})
  await clock.advance(20_000)
  await running
  return attempts.at(-1)?.maxTokens
}

test('maxTokens becomes what there is time for, and the records say so', async () => {
  expect(await askedFor(100, 4_000)).toBe(20)
  expect(acts).toEqual([
    expect.objectContaining({ action: 'fitted', askedTokens: 100, fittedTokens: 20, leftMs: 4_000 }),
  ])
})

test.for([
  ['enough time', 10, 4_000, 1, 10],
  ['never below the floor', 100, 4_000, 50, 50],
  ['a floor above what was asked for changes nothing', 30, 4_000, 50, 30],
  ['none declared: the maximum of the model is not known', undefined, 4_000, 1, undefined],
  ['an embedding generates nothing', 0, 4_000, 1, 0],
] as const)('%s', async ([, maxTokens, leftMs, floor, fitted]) => {
  expect(await askedFor(maxTokens, leftMs, { floor })).toBe(fitted)
})

test('a short answer fits where one of usual length would not, down to the floor', async () => {
  // Usual are 5 tokens, for which there are 500 ms.
  const model = fakeModel(after(1_000), after(300))
  await learn(model)
  const late = async (floor: number): Promise<string> => {
    const running = invoke({ options: { fitMaxTokens: { floor } } }, async (scope) => {
      // The first call has all the time.
      await callModel(scope, fakeModel({}).request({ baseModelId: 'another' }))
      await sleep(clock, 9_500, scope.signal)
      await callModel(scope, model.request())
      return 'answered'
    }).catch((error: Error) => error.name)
    await clock.advance(20_000)
    return running
  }
  expect(await late(4)).toBe('DeadlineExceededError')
  expect(model.sent).toBe(1)
  expect(await late(2)).toBe('answered')
  expect(attempts.at(-1)?.maxTokens).toBe(2)
})

test('it goes by the speed of the model that is asked', async () => {
  const slow = fakeModel(after(1_000))
  await learn(slow)
  const model = fakeModel({ error: new Error('down') }, {})
  const policies = [fallback([{ model: 'slow', when: () => true }])]
  const named = { baseModelId: 'fast', modelId: 'fast' }
  const running = invoke({ options: { fitMaxTokens: { floor: 1 } }, policies }, (scope) => {
    const request = model.request(named)
    const transport = {
      ...request.transport,
      withModel: () => ({ ...request, modelId: 'slow', baseModelId: 'fake.model-v1' }),
    }
    return callModel(scope, { ...request, transport })
  })
  await running
  expect(attempts.slice(1).map(({ modelId, maxTokens }) => [modelId, maxTokens])).toEqual([
    ['fast', 100],
    ['slow', 50],
  ])
})

test('a provider that cannot change its request is asked as it is, and so is everybody in observe mode', async () => {
  expect(await askedFor(100, 4_000, { mode: 'observe' })).toBe(100)
  expect(acts).toMatchObject([{ action: 'fitted', enforced: false, fittedTokens: 20 }])
  const model = fakeModel({})
  const { withMaxTokens: _, ...transport } = model.request().transport
  await invoke({ durationMs: 1_000, options: { fitMaxTokens: { floor: 1 } } }, (scope) =>
    callModel(scope, model.request({ transport })),
  )
  expect(attempts.at(-1)?.maxTokens).toBe(100)
})
