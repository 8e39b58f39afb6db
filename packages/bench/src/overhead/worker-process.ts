import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { lambdaEnvironment } from '../lambda-environment.ts'
import type { ArmName, ArmSettings } from './arm.ts'
import { type MeasureName, measures } from './measures.ts'
import type { Order, Reply, RoundFigures } from './worker.ts'

export interface WorkerProcess {
  prepare(measure: MeasureName, settings: ArmSettings): Promise<void>
  run(measure: MeasureName, calls: number): Promise<RoundFigures>
  close(): Promise<void>
}

/**
 * Starts one arm in its own process, which lives through all rounds and works only when told to. A process for
 * each arm, because in a shared one an arm would collect the others' garbage and run code whose shape the
 * others had taught the compiler; the same one for all rounds, because a warm sandbox is what a busy function
 * runs in, and warming it up costs more than measuring. What one process is luckier in than the next (memory
 * layout, what was compiled when) is what the A/A arm shows.
 */
export function startWorker(arm: ArmName, region: string, authority?: string): WorkerProcess {
  const child = fork(fileURLToPath(new URL('./worker.ts', import.meta.url)), [arm], {
    execArgv: [],
    env: { ...lambdaEnvironment(region), ...(authority && { NODE_EXTRA_CA_CERTS: authority }) },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const exited = once(child, 'exit')

  const send = async (order: Order): Promise<RoundFigures> => {
    const answered = once(child, 'message') as Promise<[Reply]>
    child.send(order)
    const answer = await Promise.race([answered, exited.then(([code]) => code as number | null)])
    if (!Array.isArray(answer)) throw new Error(`The process of arm ${arm} ended with code ${answer}.`)
    const [reply] = answer
    if ('error' in reply) throw new Error(`Arm ${arm} failed: ${reply.error}`)
    return reply
  }

  return {
    async prepare(measure, settings) {
      await send({ do: 'prepare', measure, settings })
    },
    run(measure, calls) {
      return send({ do: 'run', measure, operation: measures[measure].operation, calls })
    },
    async close() {
      if (child.exitCode === null && child.signalCode === null) child.kill()
      await exited
    },
  }
}
