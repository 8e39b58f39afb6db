/** Rate limits in Redis or Valkey: one script for each operation, on the server's clock. */

import { randomUUID } from 'node:crypto'
import { lineOf, priceOf } from '../quota-ledger-line.ts'
import type {
  QuotaAnswer,
  QuotaChange,
  QuotaMode,
  QuotaStore,
  QuotaTake,
  QuotaUpdate,
} from '../quota-store.ts'
import { quotaWaiters } from '../quota-waiters.ts'
import { type RedisScripts, type RedisSubscriber, redisListen, redisScript } from './client.ts'
import { quotaScript } from './quota-script.ts'
import { within } from './within.ts'

export interface RedisQuotaStoreOptions {
  /** A client of node-redis, ioredis or iovalkey, or another one with the same two methods. */
  readonly client: RedisScripts
  /**
   * Another connection, with which those who wait are told at once when it is their turn: `client.duplicate()`,
   * connected. Without it they ask again when it is to be expected, which is later and costs more operations.
   */
  readonly subscriber?: RedisSubscriber
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
  subscriber,
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
  const waiters = quotaWaiters()
  const channel = `${prefix}turn:${randomUUID()}`
  let hears: 'nothing' | 'soon' | 'turns' = 'nothing'

  async function listen(to: RedisSubscriber): Promise<void> {
    hears = 'soon'
    try {
      await redisListen(to, channel, waiters.wake)
      hears = 'turns'
    } catch {
      // The next who waits tries again.
      hears = 'nothing'
    }
  }

  async function update(key: string, change: QuotaChange, signal?: AbortSignal): Promise<QuotaUpdate> {
    signal?.throwIfAborted()
    const { takes = [] } = change
    // What is between the first braces is hashed: they must be the ones that are set here.
    const slot = `${prefix}quota:${version}:{${key.replace(/[%{}]/g, encodeURIComponent)}}:`
    const keys = parts.map((part) => slot + part)
    const args = argumentsOf(change, hears === 'turns' ? channel : '', now?.())
    return updateOf((await within(run(keys, args), timeoutMs, signal)) as (string | number)[], takes)
  }

  return {
    async update(key, change, signal) {
      if (hears === 'turns') return waiters.during(change, () => update(key, change, signal))
      const updated = await update(key, change, signal)
      // Not before: most sandboxes never wait.
      if (subscriber && hears === 'nothing' && updated.answers.some(({ state }) => state === 'waiting')) {
        void listen(subscriber)
        return { ...updated, operations: 2 }
      }
      return updated
    },
  }
}

/** Lists begin with their lengths. */
function argumentsOf(change: QuotaChange, channel: string, nowMs: number | undefined): string[] {
  const { limits, settlements = [], extensions = [], takes = [], belief, mode } = change
  const { tokens, requests } = limits
  const beliefs = belief ? [belief] : []
  return [
    channel,
    nowMs,
    tokens?.perMinute,
    tokens?.burst,
    requests?.perMinute,
    requests?.burst,
    settlements.length,
    ...settlements.flatMap(({ id, usedTokens, sent }) => [id, usedTokens, sent]),
    extensions.length,
    ...extensions.flatMap(({ id, nextExpiresAtMs }) => [id, nextExpiresAtMs]),
    beliefs.length,
    ...beliefs.flatMap(({ ifChangedAtMs, next }) => [
      ifChangedAtMs,
      next.ratePermille,
      next.burstPermille,
      next.blockedUntilMs,
      next.changedAtMs,
    ]),
    mode,
    takes.length,
    ...takes.flatMap((take) => [
      take.id,
      take.tokens,
      take.expectedTokens,
      take.expiresAtMs,
      Math.min(take.maxWaitMs, Number.MAX_SAFE_INTEGER),
      lineOf(take),
      priceOf(take),
      take.priority === 'batch',
      take.force === true,
    ]),
  ].map(wordOf)
}

function wordOf(value: string | number | boolean | undefined): string {
  if (value === undefined) return ''
  return typeof value === 'boolean' ? (value ? '1' : '0') : String(value)
}

function updateOf(reply: readonly (string | number)[], takes: readonly QuotaTake[]): QuotaUpdate {
  const [tokens, requests, waitingTokens, ratePermille, burstPermille, blockedUntilMs, changedAtMs, mode] =
    reply
  const roomOf = (room: unknown) => (room === '' ? Number.POSITIVE_INFINITY : Number(room))
  return {
    answers: takes.map(({ id }, index) => answerOf(id, String(reply[8 + index]))),
    view: {
      tokens: roomOf(tokens),
      requests: roomOf(requests),
      waitingTokens: Number(waitingTokens),
      belief: {
        ratePermille: Number(ratePermille),
        burstPermille: Number(burstPermille),
        blockedUntilMs: Number(blockedUntilMs),
        changedAtMs: Number(changedAtMs),
      },
      mode: mode === '' ? undefined : (mode as QuotaMode),
    },
    operations: 1,
  }
}

/** `a`; `w` and when to ask; or the limit, when to come back, and by how much it is over. */
function answerOf(id: string, words: string): QuotaAnswer {
  const [state, first, overBy] = words.split(' ')
  if (state === 'a') return { id, state: 'admitted' }
  if (state === 'w') return { id, state: 'waiting', askInMs: Number(first) }
  return {
    id,
    state: 'refused',
    limit: state === 't' ? 'tokens' : 'requests',
    waitMs: first === '-1' ? Number.POSITIVE_INFINITY : Number(first),
    overBy: Number(overBy),
  }
}
