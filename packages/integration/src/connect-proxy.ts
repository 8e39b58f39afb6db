/** A proxy as companies have them. */

import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { closers } from './testing.ts'

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
