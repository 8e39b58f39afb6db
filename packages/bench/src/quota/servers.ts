/** The stores of a run, as real servers. */

import { hasJava, startDynamoDB } from '../../../store/src/fixtures/dynamodb-local.ts'
import { hasRedis, startRedis } from '../../../store/src/fixtures/redis-server.ts'
import { UsageError } from '../bench.ts'
import type { StoreKind } from './settings.ts'

/** How a worker finds the store. */
export type StoreAddress =
  | { readonly kind: 'memory' }
  | { readonly kind: 'redis'; readonly url: string }
  | { readonly kind: 'dynamodb'; readonly url: string; readonly tableName: string }

export interface StoreServer {
  readonly address: StoreAddress
  close(): Promise<void>
}

/** @throws UsageError where a server is not installed */
export async function startStore(kind: StoreKind): Promise<StoreServer> {
  if (kind === 'memory') return { address: { kind }, async close() {} }
  if (kind === 'redis') {
    if (!hasRedis) throw new UsageError('--store redis needs redis-server on the PATH.')
    const { url, close } = await startRedis()
    return { address: { kind, url }, close }
  }
  if (!hasJava) throw new UsageError('--store dynamodb needs java, for DynamoDB Local.')
  const { url, tableName, close } = await startDynamoDB()
  return { address: { kind, url, tableName }, close }
}
