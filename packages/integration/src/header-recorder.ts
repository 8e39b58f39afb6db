/** Between a client and its endpoint: notes the headers that come by. */

import { connect, createServer, type IncomingHttpHeaders } from 'node:http2'
import type { AddressInfo } from 'node:net'
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
  const onward = connect(target)
  const server = createServer()
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
