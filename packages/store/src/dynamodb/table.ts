/** The table: one string key, items of a known layout, and a time to live. */

import {
  type CreateTableCommandInput,
  DynamoDBClient,
  type TimeToLiveSpecification,
} from '@aws-sdk/client-dynamodb'

export interface DynamoDBStoreOptions {
  readonly tableName: string
  /** Default: one of the environment's Region and credentials. */
  readonly client?: DynamoDBClient
  /**
   * After how many milliseconds a request is given up: what a store saves must not be lost to waiting for it.
   *
   * @default 500
   */
  readonly timeoutMs?: number
  /** Milliseconds since the epoch. */
  readonly now?: () => number
}

/** What `CreateTable` takes besides the name. */
export const tableDefinition: Omit<CreateTableCommandInput, 'TableName'> = {
  AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
  KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
  BillingMode: 'PAY_PER_REQUEST',
}

/** What `UpdateTimeToLive` takes besides the name: without it the table only grows. */
export const timeToLive: TimeToLiveSpecification = { AttributeName: 'expiresAt', Enabled: true }

/**
 * Layout of the items, kept in each as `v`. Another layout is read as no item: old and new code can share a table.
 */
export const schemaVersion = '1'

/** The options with their defaults, checked. */
export function tableOf(factory: string, options: DynamoDBStoreOptions): Required<DynamoDBStoreOptions> {
  const { tableName, timeoutMs = 500, now = Date.now } = options
  if (typeof tableName !== 'string' || tableName === '') {
    throw new TypeError(`${factory}: tableName is ${JSON.stringify(tableName)}. Give the name of the table.`)
  }
  if (!(Number.isFinite(timeoutMs) && timeoutMs > 0)) {
    throw new TypeError(`${factory}: timeoutMs is ${String(timeoutMs)}. Give a number above 0.`)
  }
  return { tableName, timeoutMs, now, client: options.client ?? new DynamoDBClient({}) }
}

/** Ends with the caller's signal, or when the time for a request is over. */
export function within(timeoutMs: number, signal: AbortSignal | undefined): { abortSignal: AbortSignal } {
  const timeout = AbortSignal.timeout(timeoutMs)
  return { abortSignal: signal ? AbortSignal.any([signal, timeout]) : timeout }
}

/** DynamoDB counts the time to live in whole seconds. */
export function seconds(milliseconds: number): { N: string } {
  return { N: String(Math.ceil(milliseconds / 1000)) }
}
