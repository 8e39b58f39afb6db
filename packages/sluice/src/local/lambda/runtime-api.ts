import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { finished } from 'node:stream/promises'
import type { FunctionError } from './invocation.ts'

/** What the runtime in a sandbox asks and answers. */
export interface RuntimeApiListener {
  /** The runtime waits for its next event. */
  polled(): void
  /** The head of an answer is there; its body is to be read, then `answered` follows, or `cut`. */
  responded(requestId: string, response: IncomingMessage): void
  answered(requestId: string, error: FunctionError | undefined): void
  /** The answer's connection broke. */
  cut(requestId: string): void
  initFailed(error: FunctionError): void
}

/** Lambda's Runtime API (2018-06-01) for one sandbox. */
export interface RuntimeApi {
  /** `host:port`, for `AWS_LAMBDA_RUNTIME_API`. */
  readonly address: string
  /** Long polls that wait for an event. */
  readonly polls: number
  /** Answers the longest waiting poll. */
  deliver(body: string, headers: Record<string, string>): void
  /** Resolves when the last connection has ended, so that nothing the sandbox said is lost. */
  close(): Promise<void>
}

const prefix = '/2018-06-01/runtime/'

export async function startRuntimeApi(listener: RuntimeApiListener): Promise<RuntimeApi> {
  const polls: ServerResponse[] = []

  async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '').slice(prefix.length).split('/')
    const requestId = decodeURIComponent(path[1] ?? '')
    if (path[0] === 'invocation' && path[1] === 'next') {
      polls.push(response)
      response.once('close', () => remove(polls, response))
      listener.polled()
      return
    }
    if (path[0] === 'init' && path[1] === 'error') {
      listener.initFailed(parseError(await text(request)))
    } else if (path[0] === 'invocation' && path[2] === 'error') {
      listener.answered(requestId, parseError(await text(request)))
    } else if (path[0] === 'invocation' && path[2] === 'response') {
      listener.responded(requestId, request)
      try {
        await finished(request, { writable: false })
      } catch {
        listener.cut(requestId)
        return
      }
      listener.answered(requestId, trailerError(request))
    } else {
      response.writeHead(404).end()
      return
    }
    response.writeHead(202, { 'content-type': 'application/json' }).end('{"status":"OK"}')
  }

  // A request that is cut is no failure of this server: the exit of the process, or its next poll, says the rest.
  const server = createServer(
    (request, response) => void route(request, response).catch(() => response.destroy()),
  )
  // A frozen sandbox is silent for as long as it likes.
  server.keepAliveTimeout = 0
  server.requestTimeout = 0
  server.headersTimeout = 0
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get polls() {
      return polls.length
    },
    deliver(body, headers) {
      polls
        .shift()
        ?.writeHead(200, { 'content-type': 'application/json', ...headers })
        .end(body)
    },
    close: () => closeServer(server),
  }
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
  })
}

function remove<Item>(items: Item[], item: Item): void {
  const index = items.indexOf(item)
  if (index >= 0) items.splice(index, 1)
}

function trailerError({ trailers }: IncomingMessage): FunctionError | undefined {
  const body = trailers['lambda-runtime-function-error-body']
  if (body !== undefined) return parseError(Buffer.from(body, 'base64').toString())
  const errorType = trailers['lambda-runtime-function-error-type']
  return errorType === undefined ? undefined : { errorType, errorMessage: '', trace: [] }
}

function parseError(body: string): FunctionError {
  try {
    const { errorType = 'Runtime.Unknown', errorMessage = '', trace = [] } = JSON.parse(body)
    return { errorType, errorMessage, trace }
  } catch {
    return { errorType: 'Runtime.Unknown', errorMessage: body, trace: [] }
  }
}
