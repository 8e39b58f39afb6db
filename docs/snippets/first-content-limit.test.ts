import { callModel, runInScope } from '@sluice/core'
import { fakeClock, fakeModel } from '@sluice/core/testing'
import { retry } from '@sluice/model-invocation'
import { expect, test } from 'vitest'
import { firstContentLimit } from './first-content-limit.ts'

test('an answer that does not begin in time is given up, and tried again', async () => {
  const clock = fakeClock()
  const silent = { pieces: [], ending: 'hang' } as const
  const model = fakeModel(silent, { pieces: ['Hello', ' world'] })
  const policies = [firstContentLimit({ withinMs: 2_000 }), retry({ random: () => 0 })]

  const text = runInScope({ clock, policies }, async (scope) => {
    const { events = [] } = await callModel(scope, model.request({ streaming: true }))
    const seen: unknown[] = []
    for await (const event of events) seen.push(event)
    return seen
  })
  await clock.advance(2_000)

  expect(await text).toContainEqual({ text: ' world' })
  expect(model.sent).toBe(2)
  expect(model.open).toBe(0)
})

test('an answer that begins in time takes as long as it likes', async () => {
  const clock = fakeClock()
  const model = fakeModel({ pieces: ['Hello', ' world'] })

  await runInScope({ clock, policies: [firstContentLimit({ withinMs: 2_000 })] }, async (scope) => {
    const { events = [] } = await callModel(scope, model.request({ streaming: true }))
    for await (const _ of events) await clock.advance(5_000)
  })

  expect(model.sent).toBe(1)
  expect(clock.pending).toBe(0)
})

test('a limit that is no time is refused by name', () => {
  expect(() => firstContentLimit({ withinMs: 0 })).toThrow('firstContentLimit: withinMs is 0')
})
