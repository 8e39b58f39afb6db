/** Runs one scenario in one lane, and says what is wrong with what came of it. */

import { readBatch } from './batch-reader.ts'
import type { Lane, MatrixCloud, MatrixLine } from './cloud.ts'
import { endpointFaults, type Metered, meterFaults, readerFaults, sandboxFaults } from './invariants.ts'
import type { Bug, MatrixEvent } from './matrix-event.ts'
import { type Reading, readStream, readWhole } from './reader.ts'
import { healthy, type Scenario } from './scenario.ts'
import { pieces } from './timing.ts'

export interface Report {
  readonly run: string
  readonly reading: Reading
  readonly metered: Metered
  /** Empty when everything is as it has to be. */
  readonly wrong: readonly string[]
}

export interface RunOptions {
  readonly bug?: Bug
  /** Whatever may come of it: only what must always hold is checked. */
  readonly anyEnd?: boolean
}

let lastRun = 0

/** No wait is longer than this: what takes longer hangs. */
const patienceMs = 100_000

export async function runScenario(
  cloud: MatrixCloud,
  lane: Lane,
  scenario: Scenario,
  { bug, anyEnd = false }: RunOptions = {},
): Promise<Report> {
  const run = `r${++lastRun}`
  const { modelId, mode } = lane
  const event: MatrixEvent = {
    run,
    modelId,
    way: scenario.way,
    ...scenario.event,
    prompt: { run, pieces, ...scenario.prompt },
    ...(bug && { bug }),
  }
  const target = cloud.local.functions[lane.functionName]
  if (!target) throw new Error(`There is no function ${lane.functionName}`)
  const [before] = target.sandboxes()
  const strikes = scenario.strikes ?? []
  cloud.script(run, mode === 'batch' ? [undefined, ...strikes] : strikes)
  const patience = AbortSignal.timeout(patienceMs)

  const wrong: string[] = []
  let reading: Reading = { saw: 'nothing', strange: ['an invocation that hangs'] }
  const settling = () => AbortSignal.any([patience, AbortSignal.timeout(settleMs)])
  async function printed(): Promise<readonly MatrixLine[]> {
    const last = ({ record }: MatrixLine) => typeof record === 'object' && record.kind === 'invocation'
    if (!scenario.leaves) await cloud.printed(run, last, settling()).catch(() => {})
    return cloud.linesOf(run)
  }
  const work = {
    buffered: () => readWhole(target, event),
    streamed: () => readStream(target, event, scenario.leaves),
    batch: () => readBatch(target, event, printed),
  }[mode]()
  reading = await within(work, patience, reading)
  const idle = settling()
  const isIdle = cloud.local.bedrock.until(({ models }) => (models[modelId]?.open ?? 0) === 0, idle)
  await within(isIdle, idle, undefined)
  const lines = await printed()
  const code = reading.code ?? lines.find(({ failed }) => failed !== undefined)?.failed
  const told: Reading = { ...reading, code: reading.saw === 'whole' ? undefined : code }
  const metered: Metered = {
    records: lines.flatMap(({ record }) => (typeof record === 'object' ? [record] : [])),
    requests: cloud.requestsOf(run),
  }
  wrong.push(
    ...readerFaults(told, scenario, anyEnd),
    ...meterFaults(metered, scenario, anyEnd),
    ...endpointFaults(cloud.local.bedrock.counters().models[modelId]?.open ?? 0),
    ...(scenario.leaves ? [] : sandboxFaults(before, target.sandboxes())),
  )
  // AWS's runtime client may learn of its lost response only when it wakes up, and then takes an event with it.
  if (scenario.leaves) await runScenario(cloud, lane, healthy(mode, scenario.place), { anyEnd: true })
  return { run, reading: told, metered, wrong }
}

/** Until what is still on its way has come. */
const settleMs = 5_000

async function within<Value>(work: Promise<Value>, signal: AbortSignal, otherwise: Value): Promise<Value> {
  const { promise, resolve } = Promise.withResolvers<Value>()
  signal.addEventListener('abort', () => resolve(otherwise), { once: true })
  return Promise.race([signal.aborted ? work.catch(() => otherwise) : work, promise]).catch((error) => {
    if (signal.aborted) return otherwise
    throw error
  })
}
