/** Ledgers in a DynamoDB table: `quota#1#<key>`, where 1 is the version of the layout. */

import {
  type AttributeValue,
  ConditionalCheckFailedException,
  GetItemCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb'
import type { Comparison, Item, ItemTable, ItemUpdate } from './quota-item.ts'
import { sendOnce } from './send-once.ts'
import { type DynamoDBStoreOptions, schemaVersion, within } from './table.ts'

export function dynamoDBItemTable({
  client,
  tableName,
  timeoutMs,
}: Required<DynamoDBStoreOptions>): ItemTable {
  async function get(key: string, signal?: AbortSignal): Promise<Item> {
    const command = new GetItemCommand({ TableName: tableName, Key: keyOf(key), ConsistentRead: true })
    const { Item } = await client.send(command, within(timeoutMs, signal))
    return itemOf(Item)
  }

  return {
    get,
    async open() {
      await get('')
    },
    async update(key, update, once, signal) {
      const command = new UpdateItemCommand({
        TableName: tableName,
        Key: keyOf(key),
        ...expressionsOf(update),
        ReturnValues: 'ALL_NEW',
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      })
      try {
        const { Attributes } = once
          ? await sendOnce(client, command, within(timeoutMs, signal))
          : await client.send(command, within(timeoutMs, signal))
        return { done: true, item: itemOf(Attributes) }
      } catch (error) {
        if (error instanceof ConditionalCheckFailedException) return { done: false, item: itemOf(error.Item) }
        throw error
      }
    },
  }
}

function keyOf(key: string): { pk: { S: string } } {
  return { pk: { S: `quota#${schemaVersion}#${key}` } }
}

/** Names of ours are no reserved words of DynamoDB, so they stand in the expressions as they are. */
function expressionsOf({ conditions, adds, sets, removes }: ItemUpdate) {
  const values: Record<string, AttributeValue> = {}
  let count = 0
  function place(value: number | string): string {
    const name = `:${(count++).toString(36)}`
    values[name] = typeof value === 'number' ? { N: String(value) } : { S: value }
    return name
  }
  function comparison({ attribute, is, value = 0 }: Comparison): string {
    if (is === 'absent') return `attribute_not_exists(${attribute})`
    if (is === 'present') return `attribute_exists(${attribute})`
    return `${attribute} ${is} ${place(value)}`
  }
  const clauses = [
    ['SET', Object.entries(sets).map(([name, value]) => `${name} = ${place(value)}`)],
    ['ADD', Object.entries(adds).map(([name, value]) => `${name} ${place(value)}`)],
    ['REMOVE', removes],
  ] as const
  const update = clauses.flatMap(([verb, parts]) => (parts.length > 0 ? [`${verb} ${parts.join(', ')}`] : []))
  const condition = conditions.map((any) => `(${any.map(comparison).join(' OR ')})`)
  return {
    UpdateExpression: update.join(' '),
    ...(condition.length > 0 ? { ConditionExpression: condition.join(' AND ') } : {}),
    ...(count > 0 ? { ExpressionAttributeValues: values } : {}),
  }
}

function itemOf(attributes: Record<string, AttributeValue> | undefined): Item {
  const item: Record<string, number | string> = {}
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value.N !== undefined) item[name] = Number(value.N)
    else if (value.S !== undefined && name !== 'pk') item[name] = value.S
  }
  return item
}
