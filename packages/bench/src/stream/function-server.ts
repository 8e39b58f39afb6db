/**
 * One arm in a process of its own: `node function-server.ts ARM`, driven over the IPC channel by `function-process.ts`.
 * What Lambda's runtime gives to a function that streams is given by an HTTP server here, the same for all arms.
 */

import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ArmSettings } from '../overhead/arm.ts'
import { armModules, type CreateHandler, type StreamArm, type StreamingHandler } from './arm.ts'

export type Order = { do: 'prepare'; settings: ArmSettings } | { do: 'cpu' }
export type Reply = { error: string } | { port: number } | { cpuUs: number }

Object.assign(globalThis, {
  awslambda: {
    streamifyResponse: (handler: StreamingHandler) => handler,
    HttpResponseStream: {
      from(
        response: ServerResponse,
        { statusCode, headers }: { statusCode: number; headers: Record<string, string> },
      ) {
        return response.writeHead(statusCode, headers)
      },
    },
  },
})

const { createHandler } = (await import(armModules[process.argv[2] as StreamArm])) as {
  createHandler: CreateHandler
}
let handler: StreamingHandler
let prompt = ''
let invocations = 0

const server = createServer((_request, response) => {
  handler({ prompt }, response, lambdaContext()).catch((error: unknown) => {
    console.error(error)
    response.destroy()
  })
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))

process.on('message', (order: Order) => {
  const reply: Reply = obey(order)
  process.send!(reply)
})
// Nobody is left to work for.
process.on('disconnect', () => process.exit())

function obey(order: Order): Reply {
  if (order.do === 'cpu') {
    const { user, system } = process.cpuUsage()
    return { cpuUs: user + system }
  }
  try {
    handler = createHandler(order.settings)
    prompt = order.settings.prompt
    return { port: (server.address() as AddressInfo).port }
  } catch (error) {
    return { error: String(error) }
  }
}

function lambdaContext(): object {
  const deadline = Date.now() + 30_000
  return {
    awsRequestId: `00000000-0000-4000-8000-${String(++invocations).padStart(12, '0')}`,
    functionName: 'bench',
    getRemainingTimeInMillis: () => deadline - Date.now(),
  }
}
