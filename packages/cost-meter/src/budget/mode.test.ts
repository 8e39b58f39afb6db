import { fakeClock } from '@sluice/core/testing'
import { expect, test } from 'vitest'
import { warned, watchWarnings } from '../fixtures/testing.ts'
import { type BudgetMode, modeSwitch } from './mode.ts'

test('a mode that is given holds', () => {
  expect(modeSwitch('observe')(fakeClock())).toBe('observe')
  expect(() => modeSwitch('on' as BudgetMode)).toThrow(/mode is "on"/)
})

test('a function is asked at most every 30 seconds, by all who come at once', async () => {
  const clock = fakeClock()
  let asked = 0
  let current: BudgetMode = 'observe'
  const modeNow = modeSwitch(async () => {
    asked++
    return current
  })
  expect(await Promise.all([modeNow(clock), modeNow(clock)])).toEqual(['observe', 'observe'])
  current = 'off'
  await clock.advance(29_999)
  expect(await modeNow(clock)).toBe('observe')
  expect(asked).toBe(1)
  await clock.advance(1)
  expect(await modeNow(clock)).toBe('off')
  expect(asked).toBe(2)
  expect(clock.pending).toBe(0)
})

test('one that fails, hangs or tells nonsense changes nothing, and is asked again', async () => {
  const warnings = watchWarnings()
  const clock = fakeClock()
  const answers: (() => BudgetMode | Promise<BudgetMode>)[] = [
    () => {
      throw new Error('no access')
    },
    () => 'observe',
    () => new Promise<BudgetMode>(() => {}),
    () => 'on' as BudgetMode,
    () => 'off',
  ]
  let told: AbortSignal | undefined
  const modeNow = modeSwitch((signal) => {
    told = signal
    return answers.shift()!()
  })
  const modes: BudgetMode[] = []
  while (answers.length > 0) {
    const mode = Promise.resolve(modeNow(clock))
    await clock.advance(1_000)
    modes.push(await mode)
    if (modes.length === 3) expect(told?.aborted).toBe(true)
    await clock.advance(30_000)
  }
  expect(modes).toEqual(['enforce', 'observe', 'observe', 'observe', 'off'])
  await warned()
  expect(warnings).toEqual([
    'budget: the mode could not be read, and stays "enforce": no access',
    'budget: the mode could not be read, and stays "observe": no answer within 1000 ms',
    'budget: the mode could not be read, and stays "observe": budget: mode is "on". Use one of: enforce, observe, off.',
  ])
})
