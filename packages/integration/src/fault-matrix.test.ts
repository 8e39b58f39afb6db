/** Every fault in every phase, mode and time-out, in sandboxes that are used again and again. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cells, nameOf } from './fault-matrix/cell.ts'
import { type Lane, type MatrixCloud, startCloud } from './fault-matrix/cloud.ts'
import { matrixPlans, placeOf } from './fault-matrix/places.ts'
import { runScenario } from './fault-matrix/run.ts'
import { healthy, type Scenario, scenariosOf } from './fault-matrix/scenario.ts'
import { allStrikes } from './fault-matrix/strikes.ts'

interface Planned {
  readonly name: string
  readonly scenario: Scenario
}

const only = process.env.MATRIX_ONLY
const planned: Planned[] = cells.flatMap((cell) => {
  const scenarios = scenariosOf(cell)
  if (typeof scenarios === 'string') return []
  return scenarios.map((scenario) => ({
    name: scenario.name === 'it' ? nameOf(cell) : `${nameOf(cell)}, ${scenario.name}`,
    scenario,
  }))
})

let cloud: MatrixCloud
const results = new Map<string, readonly string[]>()

async function work(lane: Lane, queue: Planned[]): Promise<void> {
  for (let next = queue.shift(); next; next = queue.shift()) {
    let wrong = await runBoth(lane, next.scenario)
    // The deadlines are real ones: what a busy machine was too slow for is right the next time, a mistake is wrong again.
    if (wrong.length > 0) wrong = await runBoth(lane, next.scenario)
    results.set(next.name, wrong)
  }
}

/** The scenario; and then the same sandbox answers the next event as if nothing had been. */
async function runBoth(lane: Lane, scenario: Scenario): Promise<readonly string[]> {
  const { wrong } = await runScenario(cloud, lane, scenario)
  const after = await runScenario(cloud, lane, healthy(lane.mode, scenario.place))
  return [...wrong, ...after.wrong.map((what) => `the next event: ${what}`)]
}

describe('the matrix', () => {
  beforeAll(async () => {
    cloud = await startCloud(matrixPlans, allStrikes())
    const queues = new Map<string, Planned[]>()
    for (const each of planned) {
      if (only && !each.name.includes(only)) continue
      const place = placeOf(each.scenario)
      queues.set(place, [...(queues.get(place) ?? []), each])
    }
    // A cold start is slow where many start at once; it is no part of the matrix.
    const cold = [...cloud.lanes]
    async function warm(): Promise<void> {
      for (let lane = cold.shift(); lane; lane = cold.shift()) {
        await runScenario(cloud, lane, healthy(lane.mode, 'bounded'))
      }
    }
    await Promise.all([warm(), warm(), warm()])
    await Promise.all(
      matrixPlans.map((plan, index) => work(cloud.lanes[index] as Lane, queues.get(placeOf(plan)) ?? [])),
    )
  }, 300_000)
  afterAll(() => cloud?.close())

  test.for(planned)('$name', ({ name }) => {
    if (only && !name.includes(only)) return
    const wrong = results.get(name) ?? ['it was not run']
    expect(wrong, wrong.map((each) => `+   "${each}"`).join('\n')).toEqual([])
  })
})
