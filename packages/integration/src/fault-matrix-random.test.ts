/**
 * Faults as seeds make them up, many at once in few sandboxes: whatever comes of them, what must always hold does.
 *
 * `SLUICE_MATRIX_RUNS` says how many, `SLUICE_MATRIX_SEED` which is the first.
 */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { modes } from './fault-matrix/cell.ts'
import { type Lane, type LanePlan, type MatrixCloud, startCloud } from './fault-matrix/cloud.ts'
import { allRandomStrikes, randomScenario } from './fault-matrix/random-scenario.ts'
import { runScenario } from './fault-matrix/run.ts'
import { healthy } from './fault-matrix/scenario.ts'

const runs = Number(process.env.SLUICE_MATRIX_RUNS ?? 1_000)
const firstSeed = Number(process.env.SLUICE_MATRIX_SEED ?? 1)

/** For each mode a process with several lanes at once, and sandboxes that are frozen between two events. */
const plans: readonly LanePlan[] = modes.flatMap((mode): readonly LanePlan[] => [
  { mode, place: 'roomy', lanes: 6 },
  { mode, place: 'roomy', lanes: 1 },
])

let cloud: MatrixCloud
beforeAll(async () => {
  cloud = await startCloud(plans, allRandomStrikes())
})
afterAll(() => cloud?.close())

/** A seed has one lane, the same one however many runs there are; of the lanes of a process any. */
function planOf(seed: number): number {
  return seed % plans.length
}

test(`${runs} runs from seed ${firstSeed}`, { timeout: Math.max(60_000, runs * 120) }, async () => {
  const queues = plans.map(() => [] as number[])
  for (let seed = firstSeed; seed < firstSeed + runs; seed++) queues[planOf(seed)]?.push(seed)
  const failed: string[] = []

  async function work(lane: Lane, queue: number[]): Promise<void> {
    for (let seed = queue.shift(); seed !== undefined; seed = queue.shift()) {
      const scenario = randomScenario(seed, lane)
      const { wrong } = await runScenario(cloud, lane, scenario, { anyEnd: true })
      if (wrong.length > 0) failed.push(`${again(seed)}\n${wrong.join('\n')}\n${JSON.stringify(scenario)}`)
      if (failed.length > 4) return
    }
    const { wrong } = await runScenario(cloud, lane, healthy(lane.mode, 'roomy'))
    if (wrong.length > 0) failed.push(`after all of them, in ${lane.functionName}: ${wrong.join('\n')}`)
  }

  await Promise.all(cloud.lanes.map((lane) => work(lane, queueOf(lane, queues))))
  expect(failed, failed.join('\n\n')).toEqual([])
})

function queueOf({ functionName }: Lane, queues: readonly number[][]): number[] {
  return queues[Number(functionName.split('-')[1])] as number[]
}

function again(seed: number): string {
  return `SLUICE_MATRIX_SEED=${seed} SLUICE_MATRIX_RUNS=1 pnpm exec vitest run packages/integration/src/fault-matrix-random.test.ts`
}
