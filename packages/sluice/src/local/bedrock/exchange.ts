/** One request and its answer, the same over HTTP/1.1 and HTTP/2, with the ways to break either. */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { constants, type IncomingHttpHeaders as Http2Headers, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import { ServiceError } from './service-error.ts'

/** How an HTTP/2 stream can be reset. HTTP/1.1 has no such thing: there the connection goes. */
export type ResetCode = 'NO_ERROR' | 'CANCEL' | 'INTERNAL_ERROR' | 'REFUSED_STREAM'

/** A request being answered. */
export interface Exchange {
  readonly transport: 'http1' | 'http2'
  readonly method: string
  /** The path as it was sent: not decoded, no query. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** Aborts when the client goes away before the answer is complete. */
  readonly signal: AbortSignal
  /** The whole body. @throws ServiceError 413 over the limit */
  body(limitBytes: number): Promise<Buffer>
  head(status: number, headers: Record<string, string>): void
  /** Resolves when the reader keeps up again, at once if it does, and also when it has gone. */
  write(chunk: Buffer): Promise<void>
  end(chunk?: Buffer): void
  /** Resets the whole connection, with everything else on it, after what was written has left. */
  resetConnection(): Promise<void>
  /** Resets this stream alone; over HTTP/1.1 the connection. */
  resetStream(code: ResetCode): Promise<void>
  /** Tells an HTTP/2 client to open another connection; `processed: false` also refuses this request. */
  goaway(processed: boolean): void
  /** Stops reading the connection for good, as a dead peer would: nothing on it is answered any more. */
  swallow(): void
}

/** The exchange of a request that came over HTTP/1.1. */
export function http1Exchange(request: IncomingMessage, response: ServerResponse, socket: Socket): Exchange {
  const abort = new AbortController()
  response.on('close', () => {
    if (!response.writableEnded) abort.abort()
  })
  const reset = async () => {
    await flushed(response, abort.signal)
    socket.resetAndDestroy()
  }
  return {
    transport: 'http1',
    method: request.method ?? '',
    path: pathOf(request.url),
    headers: request.headers,
    signal: abort.signal,
    body: (limitBytes) => readBody(request, limitBytes),
    head: (status, headers) => void response.writeHead(status, headers),
    write: (chunk) => written(response, chunk),
    end: (chunk) => void response.end(chunk),
    resetConnection: reset,
    resetStream: reset,
    goaway: (processed) => {
      if (!processed) socket.destroy()
      else if (!response.headersSent) response.setHeader('connection', 'close')
    },
    swallow: () => stopReading(socket),
  }
}

/** The exchange of a request that came over HTTP/2. */
export function http2Exchange(stream: ServerHttp2Stream, headers: Http2Headers, socket: Socket): Exchange {
  const abort = new AbortController()
  let ended = false
  stream.on('close', () => {
    // Not writableEnded: Node ends the writable side itself when the client resets the stream without an error.
    if (!ended) abort.abort()
  })
  // A reset shows as 'close'; without a listener its error event would end the process.
  stream.on('error', () => {})
  const close = (code: ResetCode) => {
    // close() first ends a stream that is still open, and a reader would then take what it has for complete.
    stream.end = () => stream
    stream.close(constants[`NGHTTP2_${code}`])
  }
  return {
    transport: 'http2',
    method: String(headers[':method']),
    path: pathOf(headers[':path']),
    headers,
    signal: abort.signal,
    body: (limitBytes) => readBody(stream, limitBytes),
    head: (status, answer) => {
      if (!stream.destroyed) stream.respond({ ':status': status, ...answer })
    },
    write: (chunk) => written(stream, chunk),
    end: (chunk) => {
      ended = true
      stream.end(chunk)
    },
    resetConnection: async () => {
      await flushed(stream, abort.signal)
      socket.resetAndDestroy()
    },
    resetStream: async (code) => {
      await flushed(stream, abort.signal)
      close(code)
    },
    goaway: (processed) => {
      const { session, id = 1 } = stream
      if (processed) return session?.goaway(constants.NGHTTP2_NO_ERROR)
      // Node cannot announce "nothing processed" (it reads a last stream of 0 as "the newest"), and what is being
      // processed beside this request must not be announced as refused; so it is refused by itself as well.
      const isNewest = session?.state.lastProcStreamID === id
      session?.goaway(constants.NGHTTP2_NO_ERROR, isNewest ? Math.max(0, id - 2) : 0)
      close('REFUSED_STREAM')
    },
    swallow: () => stopReading(socket),
  }
}

type Answer = ServerResponse | ServerHttp2Stream

function written(target: Answer, chunk: Buffer): Promise<void> {
  if (target.destroyed || target.write(chunk)) return Promise.resolve()
  return new Promise((resolve) => {
    const done = () => {
      target.off('drain', done)
      target.off('close', done)
      resolve()
    }
    target.once('drain', done)
    target.once('close', done)
  })
}

/** Resolves when everything written has been handed to the system, or the client has gone. */
function flushed(target: Answer, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    // Where nothing was written there is nothing to wait for; an empty write would send the headers of a 200.
    if (target.destroyed || signal.aborted || !target.headersSent) return resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
    target.write('', () => resolve())
  })
}

function readBody(source: IncomingMessage | ServerHttp2Stream, limitBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let chunks: Buffer[] = []
    let size = 0
    source.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size <= limitBytes) chunks.push(chunk)
      else chunks = []
    })
    source.on('end', () => {
      if (size <= limitBytes) resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks))
      // Not told before the end: a client that is refused while it writes sees a broken stream, not the answer.
      else reject(new ServiceError('RequestEntityTooLargeException', 413, 'The request body is too large.'))
    })
    source.on('error', reject)
    source.on('close', () => reject(new DOMException('The client went away', 'AbortError')))
  })
}

function stopReading(socket: Socket): void {
  // An HTTP/2 session takes the handle over from its socket, so socket.pause() would do nothing.
  const { _handle: handle } = socket as unknown as { _handle?: { readStop?(): void } }
  handle?.readStop?.()
}

const pathOf = (url: string | undefined) => (url ?? '/').split('?', 1)[0]!
