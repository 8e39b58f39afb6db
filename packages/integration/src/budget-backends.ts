/** Where the chaos test keeps its budgets, as any process can open it. */

import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import type { BudgetStore } from '@sluice/store'
import { dynamoDBBudgetStore } from '@sluice/store/dynamodb'
import { redisBudgetStore } from '@sluice/store/redis'
import { Redis } from 'ioredis'

export interface Backend {
  readonly kind: 'dynamodb' | 'redis'
  readonly url: string
}

export interface OpenBackend {
  store(now: () => number): BudgetStore
  close(): void
}

/** Hundreds of sandboxes share two processors with their store. */
const timeoutMs = 20_000

export function openBackend({ kind, url }: Backend): OpenBackend {
  if (kind === 'redis') {
    const client = new Redis(url)
    return {
      store: (now) => redisBudgetStore({ client, now, timeoutMs }),
      close: () => client.disconnect(),
    }
  }
  const client = new DynamoDBClient({
    endpoint: url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  })
  return {
    store: (now) => dynamoDBBudgetStore({ client, tableName: 'sluice', now, timeoutMs }),
    close: () => client.destroy(),
  }
}
