/** Two things between a client and its endpoint: one that notes headers, and a proxy as companies have them. */

import { createServer } from 'node:http'
import {
  connect as connectHttp2,
  createServer as createHttp2Server,
  type IncomingHttpHeaders,
} from 'node:http2'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { pipeline } from 'node:stream'
import { closers } from './testing.ts'

export interface HeaderRecorder {
  readonly url: string
  /** Of every request that came by, in order. */
  readonly requests: readonly IncomingHttpHeaders[]
}

/** Passes HTTP/2 requests on to `target`. */
export async function startHeaderRecorder(target: string): Promise<HeaderRecorder> {
  const requests: IncomingHttpHeaders[] = []
  const onward = connectHttp2(target)
  const server = createHttp2Server()
  server.on('session', (session) => closers.push(() => session.destroy()))
  server.on('stream', (stream, headers) => {
    requests.push(headers)
    const request = onward.request({ ...headers, ':authority': new URL(target).host })
    request.on('response', (answer) => {
      if (!stream.destroyed) stream.respond(answer)
    })
    pipeline(stream, request, () => {})
    pipeline(request, stream, () => {})
  })
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  closers.push(() => {
    onward.destroy()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests }
}

export interface ConnectProxy {
  readonly url: string
  /** Destinations of the tunnels that were asked for. */
  readonly tunnels: readonly string[]
}

/** Tunnels TCP connections on CONNECT. */
export async function startConnectProxy(): Promise<ConnectProxy> {
  const tunnels: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer((_request, response) => response.writeHead(405).end())
  server.on('connect', (request, client: Socket) => {
    tunnels.push(request.url ?? '')
    const [host, port] = (request.url ?? '').split(':')
    const destination = connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      client.pipe(destination).pipe(client)
    })
    for (const socket of [client, destination]) {
      sockets.add(socket)
      socket.on('error', () => {})
    }
  })
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  closers.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, tunnels }
}
