/**
 * What sandboxes share in the demo: the quota store of one process, over HTTP. It stands in for DynamoDB, which would
 * need Java here; the rules by which it admits and settles are the same.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { deserialize, serialize } from 'node:v8'
import { memoryQuotaStore, type QuotaStore } from '@sluice/store'

export interface QuotaStoreServer {
  readonly url: string
  close(): Promise<void>
}

export async function startQuotaStore(
  store: QuotaStore = memoryQuotaStore({ wakes: false }),
): Promise<QuotaStoreServer> {
  const server = createServer(async (request, response) => {
    try {
      const [key, change] = deserialize(await buffer(request))
      response.end(serialize(await store.update(key, change)))
    } catch (error) {
      response.writeHead(500).end((error as Error).name)
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

/** The store as a sandbox sees it. Not JSON: a refusal may have to wait for `Infinity`. */
export function quotaStoreOver(url: string): QuotaStore {
  return {
    async update(key, change, signal) {
      const body = serialize([key, change])
      const response = await fetch(url, { method: 'POST', body, ...(signal && { signal }) })
      if (!response.ok) throw new Error(`The quota store answered ${response.status}.`)
      return deserialize(new Uint8Array(await response.arrayBuffer()))
    },
  }
}
