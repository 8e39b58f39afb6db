/**
 * The real throttle and the real algorithms of the stores in virtual time: a million calls in all, by seed. A seed that
 * fails prints the command that runs it alone.
 */

import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { bugs } from './fixtures/simulation/bugs.ts'
import { brokenRules } from './fixtures/simulation/checks.ts'
import { scenarioOf } from './fixtures/simulation/scenario.ts'
import { simulate } from './fixtures/simulation/simulate.ts'

// Each of thousands of sandboxes would warn once.
beforeAll(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => {}))
afterAll(() => void vi.restoreAllMocks())

const callsPerSeed = 5_000

describe('nothing breaks', () => {
  const seeds = Array.from({ length: 20 }, (_, block) => block * 10 + 1)
  test.each(seeds)('seeds %i and the nine after it', { timeout: 120_000 }, async (first) => {
    const broken: string[] = []
    for (let seed = first; seed < first + 10; seed++) {
      const rules = brokenRules(await simulate(scenarioOf(seed, callsPerSeed)))
      const again = `node packages/quota-throttle/src/fixtures/simulation/main.ts --seed ${seed}`
      broken.push(...rules.map((rule) => `${rule}\n    ${again}`))
    }
    expect(broken).toEqual([])
  })
})

describe('the checks find', () => {
  test.each(bugs)('$name', { timeout: 60_000 }, async ({ scenario, ...bug }) => {
    for (const store of ['memory', 'dynamodb'] as const) {
      for (let seed = 1; seed <= 3; seed++) {
        const change = { ...scenario, store }
        if (brokenRules(await simulate(scenarioOf(seed, 2_000, change), bug)).length > 0) return
      }
    }
    expect.unreachable('nobody noticed')
  })

  test('nothing where there is nothing to find', async () => {
    for (const { scenario } of bugs) {
      const calm = { ...scenario, truth: { burst: 1, window: false, burndown: 5, foreign: 0 } }
      expect(brokenRules(await simulate(scenarioOf(1, 2_000, calm)))).toEqual([])
    }
  }, 60_000)
})
