/** A way between a client and its endpoint that can go dead, as a NAT gateway's does for a sandbox that slept. */

import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { closers } from './testing.ts'

export interface TcpProxy {
  readonly url: string
  /** Connections accepted so far. */
  readonly connections: number
  /** From now on nothing gets through on the connections there are, and nobody is told. New ones work. */
  swallow(): void
  /** Resets the connections there are. */
  reset(): void
}

export async function startTcpProxy(port: number): Promise<TcpProxy> {
  let connections = 0
  let open: { client: Socket; server: Socket }[] = []
  const sockets = new Set<Socket>()
  const listener = createServer((client) => {
    connections++
    const server = connect(port, '127.0.0.1')
    for (const socket of [client, server]) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => {})
    }
    client.on('data', (chunk) => server.write(chunk))
    server.on('data', (chunk) => client.write(chunk))
    client.on('close', () => server.destroy())
    server.on('close', () => client.destroy())
    open.push({ client, server })
  })
  listener.listen(0, '127.0.0.1')
  await new Promise((resolve) => listener.once('listening', resolve))
  closers.push(() => {
    for (const socket of sockets) socket.destroy()
    listener.close()
  })
  return {
    url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    get connections() {
      return connections
    },
    swallow() {
      for (const { client, server } of open) {
        client.removeAllListeners('data').removeAllListeners('close')
        server.removeAllListeners('data').removeAllListeners('close')
        // Read on, so that the kernel acknowledges what is thrown away.
        client.resume()
        server.resume()
      }
      open = []
    },
    reset() {
      for (const { client, server } of open) {
        client.resetAndDestroy()
        server.destroy()
      }
      open = []
    },
  }
}
