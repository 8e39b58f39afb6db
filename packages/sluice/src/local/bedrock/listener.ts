/** One port that speaks HTTP/1.1 and HTTP/2 without TLS (prior knowledge), told apart by the first bytes. */
import { once } from 'node:events'
import { createServer as createHttp1Server } from 'node:http'
import { createServer as createHttp2Server, type Http2Session } from 'node:http2'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { type Exchange, http1Exchange, http2Exchange } from './exchange.ts'

/** What the listener tells its owner. */
export interface ListenerEvents {
  /** Called for every request. */
  exchange(exchange: Exchange): void
  /** Called when a connection has shown what it speaks, and when it is gone. */
  connection(transport: 'http1' | 'http2', open: boolean): void
}

/** A listening port. */
export interface Listener {
  readonly port: number
  /** Ends every connection and frees the port. */
  close(): Promise<void>
}

const HTTP2_PREFACE = Buffer.from('PRI * HTTP/2.0')

/** Opens the port. @throws the system's error if it cannot be opened */
export async function listen(host: string, port: number, events: ListenerEvents): Promise<Listener> {
  const sockets = new Set<Socket>()
  const http1 = createHttp1Server({ keepAliveTimeout: 60_000 })
  // Node's guards against rapid resets and greedy sessions would answer a load test with GOAWAY.
  const http2 = createHttp2Server({ maxSessionMemory: 1024, streamResetBurst: 1e6, streamResetRate: 1e6 })
  http1.on('request', (request, response) =>
    events.exchange(http1Exchange(request, response, request.socket)),
  )
  // A session hides its socket behind a proxy that forbids resets, so the raw one is kept beside it.
  const socketOf = new WeakMap<Http2Session, Socket>()
  http2.on('stream', (stream, headers) => {
    const socket = stream.session && socketOf.get(stream.session)
    if (socket) events.exchange(http2Exchange(stream, headers, socket))
  })
  const attach = (socket: Socket) => {
    http2.once('session', (session) => {
      socketOf.set(session, socket)
      session.on('error', () => {})
    })
    http2.emit('connection', socket)
  }

  const server = createServer((socket) => {
    sockets.add(socket)
    let transport: 'http1' | 'http2' | undefined
    socket.on('close', () => {
      sockets.delete(socket)
      if (transport) events.connection(transport, false)
    })
    socket.on('error', () => {})
    socket.setNoDelay(true)
    sniff(socket, (isHttp2) => {
      transport = isHttp2 ? 'http2' : 'http1'
      events.connection(transport, true)
      if (isHttp2) attach(socket)
      else {
        http1.emit('connection', socket)
        // What was put back waits in the stream until it flows again.
        socket.resume()
      }
    })
  })
  server.listen(port, host)
  await once(server, 'listening')

  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/** Reads until the protocol is certain, puts the bytes back, and tells. */
function sniff(socket: Socket, found: (isHttp2: boolean) => void): void {
  let seen: Buffer = Buffer.alloc(0)
  const read = (chunk: Buffer) => {
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk])
    const length = Math.min(seen.length, HTTP2_PREFACE.length)
    const mayBeHttp2 = seen.subarray(0, length).equals(HTTP2_PREFACE.subarray(0, length))
    if (mayBeHttp2 && seen.length < HTTP2_PREFACE.length) return
    socket.off('data', read)
    socket.pause()
    socket.unshift(seen)
    found(mayBeHttp2)
  }
  socket.on('data', read)
}
