/** Budgets in a table: `budget#1#<account>` with its sums, and `spent#1#<id>` for each attempt that was settled. */

import {
  type AttributeValue,
  ConditionalCheckFailedException,
  GetItemCommand,
  TransactionCanceledException,
  type TransactWriteItem,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb'
import type { BudgetAccount, BudgetReservation, BudgetState, BudgetStore } from '../budget-store.ts'
import { type BudgetSums, budgetState, expiredSums, reservedUntil } from '../budget-sums.ts'
import { sendOnce } from './send-once.ts'
import { type DynamoDBStoreOptions, schemaVersion, seconds, tableOf, within } from './table.ts'
import { withoutConflict } from './without-conflict.ts'

/**
 * A store for budgets that all sandboxes share. Amounts are exact up to 38 digits. Needs `dynamodb:UpdateItem` and
 * `dynamodb:GetItem` on the table.
 *
 * @throws TypeError when an option cannot be right
 *
 * @example
 * ```ts
 * import { dynamoDBBudgetStore } from '@sluice/store/dynamodb'
 *
 * export const store = dynamoDBBudgetStore({ tableName: 'sluice' })
 * ```
 */
export function dynamoDBBudgetStore(options: DynamoDBStoreOptions): BudgetStore {
  const { client, tableName, timeoutMs, now } = tableOf('dynamoDBBudgetStore', options)
  const TableName = tableName

  async function sumsOf({ key }: BudgetAccount, abortSignal: AbortSignal): Promise<BudgetSums> {
    const command = new GetItemCommand({ TableName, Key: keyOf('budget', key), ConsistentRead: true })
    return sumsIn((await client.send(command, { abortSignal })).Item)
  }
  function statesOf(accounts: readonly BudgetAccount[], abortSignal: AbortSignal): Promise<BudgetState[]> {
    return Promise.all(
      accounts.map(async (account) => budgetState(await sumsOf(account, abortSignal), now())),
    )
  }
  /** The cost of a transaction, twice that of an update, is for what needs it. */
  async function reserveInOne(
    account: BudgetAccount,
    reservation: BudgetReservation,
    abortSignal: AbortSignal,
  ) {
    const { Update } = reserving(account, reservation)
    const command = new UpdateItemCommand({
      ...Update,
      ReturnValues: 'ALL_NEW',
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
    })
    try {
      const { Attributes } = await sendOnce(client, command, { abortSignal })
      const sums = sumsIn(Attributes)
      await tidy(account, sums, abortSignal)
      return { refusedBy: undefined, states: [budgetState(sums, now())] }
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error
      return { refusedBy: 0, states: [budgetState(sumsIn(error.Item), now())] }
    }
  }
  /** Of those who died something is left; once in half a minute at most somebody finds it. */
  async function tidy({ key }: BudgetAccount, sums: BudgetSums, abortSignal: AbortSignal): Promise<void> {
    const expired = expiredSums(sums, now())
    if (expired.length === 0) return
    const UpdateExpression = `REMOVE ${expired.join(', ')}`
    const command = new UpdateItemCommand({ TableName, Key: keyOf('budget', key), UpdateExpression })
    await client.send(command, { abortSignal })
  }
  function reserving({ key, limit, forgetAtMs }: BudgetAccount, { amount, expiresAtMs }: BudgetReservation) {
    const fits = 'totalAmount <= :most'
    return {
      Update: {
        TableName,
        Key: keyOf('budget', key),
        UpdateExpression: `SET expiresAt = :expiresAt ADD totalAmount :amount, ${reservedUntil(expiresAtMs)} :amount`,
        ConditionExpression: amount <= limit ? `attribute_not_exists(totalAmount) OR ${fits}` : fits,
        ExpressionAttributeValues: {
          ':amount': { N: String(amount) },
          ':most': { N: String(limit - amount) },
          ':expiresAt': seconds(forgetAtMs),
        },
      },
    }
  }
  /** `before` is what an earlier settlement counted. */
  function settling(account: BudgetAccount, reservation: BudgetReservation, spent: bigint, before?: bigint) {
    const { amount, expiresAtMs } = reservation
    const values = {
      ':change': { N: String(spent - (before ?? amount)) },
      ':expiresAt': seconds(account.forgetAtMs),
    }
    const free = before === undefined
    return {
      Update: {
        TableName,
        Key: keyOf('budget', account.key),
        UpdateExpression:
          'SET expiresAt = :expiresAt ADD totalAmount :change' +
          (free ? `, ${reservedUntil(expiresAtMs)} :free` : ''),
        ExpressionAttributeValues: free ? { ...values, ':free': { N: String(-amount) } } : values,
      },
    }
  }
  function recording(accounts: readonly BudgetAccount[], id: string, spent: bigint, before?: bigint) {
    const values = {
      ':spent': { N: String(spent) },
      ':expiresAt': seconds(Math.max(...accounts.map(({ forgetAtMs }) => forgetAtMs))),
    }
    const first = before === undefined
    return {
      Update: {
        TableName,
        Key: keyOf('spent', id),
        UpdateExpression: 'SET spentAmount = :spent, expiresAt = :expiresAt',
        ConditionExpression: first ? 'attribute_not_exists(spentAmount)' : 'spentAmount = :before',
        ExpressionAttributeValues: first ? values : { ...values, ':before': { N: String(before) } },
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      },
    } satisfies TransactWriteItem
  }
  /** Undefined when it was made, else for each item why it was not. */
  function transact(TransactItems: TransactWriteItem[], abortSignal: AbortSignal) {
    // Of one token: what the SDK sends again counts once.
    return withoutConflict(abortSignal, async () => {
      try {
        await client.send(new TransactWriteItemsCommand({ TransactItems }), { abortSignal })
        return undefined
      } catch (error) {
        const reasons = error instanceof TransactionCanceledException ? error.CancellationReasons : undefined
        if (!reasons?.some(({ Code }) => Code === 'ConditionalCheckFailed')) throw error
        return reasons
      }
    })
  }

  return {
    async reserve(accounts, reservation, signal) {
      const { abortSignal } = within(timeoutMs, signal)
      const [account, ...others] = accounts
      if (account && others.length === 0) {
        return withoutConflict(abortSignal, () => reserveInOne(account, reservation, abortSignal))
      }
      const reasons = await transact(
        accounts.map((each) => reserving(each, reservation)),
        abortSignal,
      )
      const refusedBy = reasons?.findIndex(({ Code }) => Code === 'ConditionalCheckFailed')
      return { refusedBy, states: await statesOf(accounts, abortSignal) }
    },
    async settle(accounts, reservation, spent, signal) {
      const { abortSignal } = within(timeoutMs, signal)
      let before: bigint | undefined
      for (;;) {
        const reasons = await transact(
          [
            recording(accounts, reservation.id, spent, before),
            ...accounts.map((account) => settling(account, reservation, spent, before)),
          ],
          abortSignal,
        )
        if (!reasons) break
        const counted = reasons[0]?.Item?.spentAmount?.N
        before = counted === undefined ? undefined : BigInt(counted)
        if (before === spent) break
      }
      return statesOf(accounts, abortSignal)
    },
    async read(account, signal) {
      return budgetState(await sumsOf(account, within(timeoutMs, signal).abortSignal), now())
    },
  }
}

function keyOf(kind: string, key: string): { pk: { S: string } } {
  return { pk: { S: `${kind}#${schemaVersion}#${key}` } }
}

function sumsIn(item: Record<string, AttributeValue> | undefined): BudgetSums {
  return new Map(
    Object.entries(item ?? {}).flatMap(([name, { N }]) =>
      N !== undefined && name !== 'expiresAt' ? [[name, BigInt(N)]] : [],
    ),
  )
}
