/** The simulation is only worth something if it finds mistakes: here are some. */

import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { bugs } from './fixtures/simulation/bugs.ts'
import { brokenRules } from './fixtures/simulation/checks.ts'
import { scenarioOf } from './fixtures/simulation/scenario.ts'
import { simulate } from './fixtures/simulation/simulate.ts'

// Each of thousands of sandboxes would warn once.
beforeAll(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => {}))
afterAll(() => void vi.restoreAllMocks())

describe('the checks find', () => {
  test.each(bugs)('$name', { timeout: 120_000 }, async ({ scenario, ...bug }) => {
    for (const store of ['memory', 'dynamodb'] as const) {
      for (let seed = 1; seed <= 3; seed++) {
        const change = { ...scenario, store }
        if (brokenRules(await simulate(scenarioOf(seed, 2_000, change), bug)).length > 0) return
      }
    }
    expect.unreachable('nobody noticed')
  })

  test('nothing where there is nothing to find', async () => {
    const truth = { burst: 1, window: false, burndown: 5, foreign: 0 }
    const calm = new Set(bugs.map(({ scenario }) => JSON.stringify({ ...scenario, truth })))
    for (const each of calm) {
      expect(brokenRules(await simulate(scenarioOf(1, 2_000, JSON.parse(each))))).toEqual([])
    }
  }, 120_000)
})
