/** A message that comes twice is paid for once: Powertools Idempotency around the work of a queue. */

import { IdempotencyConfig, makeIdempotent } from '@aws-lambda-powertools/idempotency'
import { CachePersistenceLayer } from '@aws-lambda-powertools/idempotency/cache'
import { sqsBatch } from '@sluice/event-sources'
import type { Context, SQSEvent } from 'aws-lambda'
import { expect, test } from 'vitest'

const context = { awsRequestId: 'r', getRemainingTimeInMillis: () => 20_000 } as unknown as Context

function batch(...ids: string[]): SQSEvent {
  return {
    Records: ids.map((messageId) => ({ messageId, body: `body of ${messageId}` })),
  } as unknown as SQSEvent
}

/** The store of a cache, as its client shows it. */
function store() {
  const kept = new Map<string, string>()
  return new CachePersistenceLayer({
    client: {
      get: async (name) => kept.get(name) ?? null,
      async set(name, value, options) {
        if ((options as { NX?: boolean }).NX && kept.has(String(name))) return null
        kept.set(String(name), String(value))
        return 'OK'
      },
      del: async (names) => names.filter((name) => kept.delete(name)).length,
    },
  })
}

test('what is done is not done again, and what has failed is', async () => {
  const config = new IdempotencyConfig({ eventKeyJmesPath: 'id', throwOnNoIdempotencyKey: true })
  let broken = true
  const asked: string[] = []
  const once = makeIdempotent(
    async ({ id, text }: { id: string; text: string }) => {
      asked.push(id)
      if (id === 'b' && broken) throw new RangeError('no')
      return { characters: text.length }
    },
    { persistenceStore: store(), config },
  )
  const handler = sqsBatch().handler(
    (text, { id }, lambda: Context) => {
      config.registerLambdaContext(lambda)
      return once({ id, text })
    },
    { onUnfulfilled() {} },
  )

  expect(await handler(batch('a', 'b', 'c'), context)).toEqual({
    batchItemFailures: [{ itemIdentifier: 'b' }],
  })
  broken = false
  expect(await handler(batch('a', 'b', 'c'), context)).toEqual({ batchItemFailures: [] })
  expect(asked.toSorted()).toEqual(['a', 'b', 'b', 'c'])
})
