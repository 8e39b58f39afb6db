import { expect, test } from 'vitest'
import { UsageError } from '../bench.ts'
import { readOptions } from './options.ts'

const read = (values: Record<string, unknown> = {}, quick = false) => readOptions({ values, quick })

test('by default ours beside the SDK, with enough calls for 20,000 attempts', () => {
  const { policies, settings, factor } = read()
  expect(policies).toEqual(['sluice', 'sdk-standard'])
  expect(settings).toMatchObject({ load: 1.2, sandboxes: 300, store: 'redis', burstTokens: 2_000_000 })
  expect(settings.tenants).toEqual(Array(10).fill(0.1))
  // Of what arrives, the refill is let in, and four fifths of the time are counted.
  expect((settings.calls / 1.2) * 0.8).toBeGreaterThanOrEqual(20_000)
  expect((read({ load: '2' }).settings.calls / 2) * 0.8).toBeGreaterThanOrEqual(20_000)
  expect(factor).toBe(10)
})

test('policies are named once or several times, and in lists', () => {
  expect(read({ policy: ['reserve,fixed-window', 'sluice'] }).policies).toEqual([
    'reserve',
    'fixed-window',
    'sluice',
  ])
})

test('a hog has its part, the others share the rest', () => {
  expect(read({ tenants: '3', hog: '0.6' }).settings.tenants).toEqual([0.6, 0.2, 0.2])
})

test('memory is of one process', () => {
  expect(read({ store: 'memory' }).settings.workers).toBe(1)
})

test.each([
  [{ load: 'x' }, '--load'],
  [{ compress: '11' }, '--compress'],
  [{ policy: ['none'] }, 'choose from sluice'],
  [{ store: 'file' }, '--store'],
  [{ wrong: 'all' }, '--wrong'],
  [{ workers: '5' }, '--workers'],
  [{ calls: '1.5' }, '--calls'],
  [{ policy: ['rate-limiter-flexible'], store: 'dynamodb' }, '--store redis'],
  [{ 'max-tokens': '64000', 'tokens-per-minute': '100000' }, '--max-tokens'],
])('%j is told', (values, message) => {
  expect(() => read(values)).toThrow(UsageError)
  expect(() => read(values)).toThrow(message)
})
