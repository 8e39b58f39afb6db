/** Rate limits in Redis or Valkey: one script for each operation, on the server's clock. */

import { lineOf, priceOf } from '../quota-ledger-line.ts'
import type {
  QuotaAnswer,
  QuotaChange,
  QuotaMode,
  QuotaStore,
  QuotaTake,
  QuotaUpdate,
} from '../quota-store.ts'
import { type RedisScripts, redisScript } from './client.ts'
import { quotaScript } from './quota-script.ts'

export interface RedisQuotaStoreOptions {
  /** A client of node-redis, ioredis or iovalkey, or another one with the same two methods. */
  readonly client: RedisScripts
  /** All keys begin with it. */
  readonly prefix?: string
  /** An operation is given up after so long. */
  readonly timeoutMs?: number
  /** The time in milliseconds since the epoch; for tests. Without it the server's own counts. */
  readonly now?: () => number
}

/** Part of every key, so that another layout has other keys. */
const version = 1
const parts = ['state', 'records', 'due', 'waiters', 'lines', 'sums', 'idle']

/**
 * A store for the rate limits of all sandboxes that reach one Redis or Valkey. Those who wait start in strict order:
 * first the tenant that was served least.
 *
 * @throws {TypeError} When an option cannot be right.
 *
 * @example
 * ```ts
 * import { createClient } from '@redis/client'
 * import { redisQuotaStore } from '@sluice/store/redis'
 *
 * const client = createClient({ url: 'redis://localhost:6379' })
 * await client.connect()
 * const store = redisQuotaStore({ client })
 * const { view } = await store.update('eu-central-1/claude', {
 *   limits: { tokens: { perMinute: 200_000, burst: 200_000 } },
 * })
 * console.log(view.tokens)
 * client.destroy()
 * ```
 */
export function redisQuotaStore({
  client,
  prefix = 'sluice:',
  timeoutMs = 500,
  now,
}: RedisQuotaStoreOptions): QuotaStore {
  if (/[{}]/.test(prefix)) {
    throw new TypeError(`redisQuotaStore: prefix is ${JSON.stringify(prefix)}; braces are for the hash slot`)
  }
  if (!(timeoutMs > 0)) {
    throw new TypeError(`redisQuotaStore: timeoutMs is ${timeoutMs}; give milliseconds above 0`)
  }
  const run = redisScript(client, quotaScript)
  return {
    async update(key, change, signal) {
      signal?.throwIfAborted()
      const { takes = [] } = change
      // What is between the first braces is hashed: they must be the ones that are set here.
      const slot = `${prefix}quota:${version}:{${key.replace(/[%{}]/g, encodeURIComponent)}}:`
      const keys = parts.map((part) => slot + part)
      const reply = await within(run(keys, [argumentOf(change, now?.())]), timeoutMs, signal)
      return updateOf(String(reply), takes)
    },
  }
}

function argumentOf(change: QuotaChange, nowMs: number | undefined): string {
  const { limits, settlements = [], extensions = [], takes = [], belief, mode } = change
  const { tokens, requests } = limits
  return JSON.stringify([
    nowMs ?? false,
    tokens?.perMinute ?? false,
    tokens?.burst ?? false,
    requests?.perMinute ?? false,
    requests?.burst ?? false,
    settlements.map(({ id, usedTokens, sent }) => [id, usedTokens, sent]),
    extensions.map(({ id, nextExpiresAtMs }) => [id, nextExpiresAtMs]),
    takes.map((take) => [
      take.id,
      take.tokens,
      take.expectedTokens,
      take.expiresAtMs,
      Math.min(take.maxWaitMs, Number.MAX_SAFE_INTEGER),
      lineOf(take),
      priceOf(take),
      take.priority === 'batch',
      take.force ?? false,
    ]),
    belief
      ? [
          belief.next.ratePermille,
          belief.next.burstPermille,
          belief.next.blockedUntilMs,
          belief.next.changedAtMs,
          belief.ifChangedAtMs,
        ]
      : false,
    mode ?? false,
  ])
}

function updateOf(reply: string, takes: readonly QuotaTake[]): QuotaUpdate {
  const words = reply.split(' ')
  let index = 0
  const word = () => words[index++] as string
  const number = () => Number(word())
  const view = {
    tokens: number(),
    requests: number(),
    waitingTokens: number(),
    belief: {
      ratePermille: number(),
      burstPermille: number(),
      blockedUntilMs: number(),
      changedAtMs: number(),
    },
    mode: modeOf(word()),
  }
  const answers = takes.map(({ id }): QuotaAnswer => {
    const state = word()
    if (state === 'a') return { id, state: 'admitted' }
    if (state === 'w') return { id, state: 'waiting', askInMs: number() }
    const waitMs = number()
    return {
      id,
      state: 'refused',
      limit: state === 't' ? 'tokens' : 'requests',
      waitMs: waitMs < 0 ? Number.POSITIVE_INFINITY : waitMs,
      overBy: number(),
    }
  })
  return { answers, view, operations: 1 }
}

function modeOf(word: string): QuotaMode | undefined {
  return word === '-' ? undefined : (word as QuotaMode)
}

/** Clients cannot take a command back; its answer is not waited for. */
async function within<T>(promise: Promise<T>, timeoutMs: number, signal?: AbortSignal): Promise<T> {
  const { promise: over, reject } = Promise.withResolvers<never>()
  const leave = () => reject(signal?.reason)
  const timer = setTimeout(
    () => reject(new DOMException(`no answer from Redis within ${timeoutMs} ms`, 'TimeoutError')),
    timeoutMs,
  )
  signal?.addEventListener('abort', leave, { once: true })
  try {
    return await Promise.race([promise, over])
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', leave)
  }
}
