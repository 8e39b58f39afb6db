import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent, get } from 'node:http'
import { fileURLToPath } from 'node:url'
import { lambdaEnvironment } from '../lambda-environment.ts'
import type { ArmSettings } from '../overhead/arm.ts'
import type { StreamArm } from './arm.ts'
import type { Order, Reply } from './function-server.ts'

/** What a reader of the function has seen. */
export interface Reading {
  /** From the request to the first byte of the body. */
  readonly firstByteMs: number
  readonly body: string
}

export interface FunctionProcess {
  prepare(settings: ArmSettings): Promise<void>
  /** One request over HTTP, read to its end. */
  read(): Promise<Reading>
  /** CPU time of the whole process so far, garbage collection and compiler threads included, microseconds. */
  cpuUs(): Promise<number>
  close(): Promise<void>
}

/** Starts one arm in its own process; see the overhead bench for why. Its reader is in this one, and is not counted. */
export function startFunctionProcess(arm: StreamArm, region: string, authority?: string): FunctionProcess {
  const child = fork(fileURLToPath(new URL('./function-server.ts', import.meta.url)), [arm], {
    execArgv: [],
    env: { ...lambdaEnvironment(region), ...(authority && { NODE_EXTRA_CA_CERTS: authority }) },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const exited = once(child, 'exit')
  const agent = new Agent({ keepAlive: true })
  let port = 0

  async function send(order: Order): Promise<Exclude<Reply, { error: string }>> {
    const answered = once(child, 'message') as Promise<[Reply]>
    child.send(order)
    const answer = await Promise.race([answered, exited.then(([code]) => code as number | null)])
    if (!Array.isArray(answer)) throw new Error(`The process of arm ${arm} ended with code ${answer}.`)
    const [reply] = answer
    if ('error' in reply) throw new Error(`Arm ${arm} failed: ${reply.error}`)
    return reply
  }

  return {
    async prepare(settings) {
      const reply = await send({ do: 'prepare', settings })
      if ('port' in reply) port = reply.port
    },
    read: () =>
      new Promise((resolve, reject) => {
        const startedAt = performance.now()
        get({ host: '127.0.0.1', port, agent }, (response) => {
          let body = ''
          let firstByteMs = 0
          response.setEncoding('utf8').on('data', (chunk: string) => {
            if (body === '') firstByteMs = performance.now() - startedAt
            body += chunk
          })
          response.on('error', reject).on('end', () => resolve({ firstByteMs, body }))
        }).on('error', reject)
      }),
    async cpuUs() {
      const reply = await send({ do: 'cpu' })
      return 'cpuUs' in reply ? reply.cpuUs : 0
    },
    async close() {
      agent.destroy()
      if (child.exitCode === null && child.signalCode === null) child.kill()
      await exited
    },
  }
}
