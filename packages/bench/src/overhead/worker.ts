/**
 * One arm in a process of its own: `node worker.ts ARM`, driven over the IPC channel by `worker-process.ts`.
 */

import { median } from '../statistics.ts'
import { type Arm, type ArmName, type ArmSettings, armModules, type CreateArm } from './arm.ts'
import type { MeasureName } from './measures.ts'

/** Sent by the parent: prepare a measure, or run one round of it. */
export type Order =
  | { do: 'prepare'; measure: MeasureName; settings: ArmSettings }
  | { do: 'run'; measure: MeasureName; operation: 'invoke' | 'stream'; calls: number }

/** Sent back: the round's figures, or why there are none. */
export type Reply = { error: string } | RoundFigures

export interface RoundFigures {
  /** CPU time of the whole process, garbage collection and compiler threads included, microseconds. */
  cpuUs: number
  /** Median over the round's calls, milliseconds; 0 for buffered calls. */
  firstTokenMs: number
  /** Length of all answers together. */
  characters: number
}

const armName = process.argv[2] as ArmName
const { createArm } = (await import(armModules[armName])) as { createArm: CreateArm }
const prepared = new Map<MeasureName, Arm>()

process.on('message', (order: Order) => {
  obey(order).then(
    (figures) => process.send!(figures),
    (error: unknown) =>
      process.send!({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  )
})

// Nobody is left to work for.
process.on('disconnect', () => process.exit())

async function obey(order: Order): Promise<RoundFigures> {
  if (order.do === 'prepare') {
    prepared.set(order.measure, createArm(order.settings))
    return { cpuUs: 0, firstTokenMs: 0, characters: 0 }
  }
  const arm = prepared.get(order.measure)!
  const round = order.operation === 'invoke' ? invokeRound : streamRound
  const before = process.cpuUsage()
  const { firstTokensMs, characters } = await round(arm, order.calls)
  const { user, system } = process.cpuUsage(before)
  return {
    cpuUs: user + system,
    firstTokenMs: firstTokensMs.length === 0 ? 0 : median(firstTokensMs),
    characters,
  }
}

// One call after the other, as in a Lambda sandbox, which has one invocation at a time.
async function invokeRound(arm: Arm, calls: number) {
  let characters = 0
  for (let call = 0; call < calls; call++) characters += (await arm.invoke()).length
  return { firstTokensMs: [], characters }
}

async function streamRound(arm: Arm, calls: number) {
  const firstTokensMs: number[] = []
  let characters = 0
  for (let call = 0; call < calls; call++) {
    const startedAt = performance.now()
    let waiting = true
    await arm.stream((piece) => {
      if (waiting) firstTokensMs.push(performance.now() - startedAt)
      waiting = false
      characters += piece.length
    })
  }
  return { firstTokensMs, characters }
}
