import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { lambdaEnvironment } from '../lambda-environment.ts'
import { region } from './settings.ts'
import type { Message, Orders, Start, WorkerReport } from './worker.ts'

export interface WorkerProcess {
  /** Lets time begin, and resolves when all calls have ended. */
  run(start: Start): Promise<WorkerReport>
  close(): Promise<void>
}

/** Starts a part of the sandboxes in a process of their own; resolves when they are warm. */
export async function startWorker(orders: Orders): Promise<WorkerProcess> {
  const child = fork(fileURLToPath(new URL('./worker.ts', import.meta.url)), {
    execArgv: [],
    env: lambdaEnvironment(region),
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const exited = once(child, 'exit')

  async function tell(words: Orders | Start): Promise<Exclude<Message, { error: string }>> {
    const answered = once(child, 'message')
    child.send(words)
    const [message] = (await Promise.race([
      answered,
      exited.then(([code]) => [{ error: `It ended with code ${code}.` }]),
    ])) as [Message]
    if ('error' in message) throw new Error(`A worker of ${orders.policy} failed: ${message.error}`)
    return message
  }

  await tell(orders)
  return {
    async run(start) {
      return ((await tell(start)) as { report: WorkerReport }).report
    },
    async close() {
      if (child.connected) child.disconnect()
      await exited
    },
  }
}
