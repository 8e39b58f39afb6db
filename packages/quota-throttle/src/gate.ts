/** The way of one sandbox to one ledger: says everything at once, and goes on alone when the store does not answer. */

import type { Clock } from '@sluice/core'
import {
  noBelief,
  type QuotaAnswer,
  type QuotaBelief,
  type QuotaChange,
  type QuotaExtension,
  type QuotaLimits,
  type QuotaSettlement,
  type QuotaStore,
  type QuotaTake,
  type QuotaView,
} from '@sluice/store'
import { believed } from './belief.ts'
import { type OwnShare, ownShare } from './own-share.ts'
import { limitsOf, type Quotas } from './quotas.ts'

/** What a sandbox does while the store does not answer: `safe-share` of the quota, everything, or nothing. */
export type OnStoreError = 'safe-share' | 'open' | 'closed'

export interface GateOptions {
  readonly key: string
  readonly quotas: Quotas
  readonly share: number
  /** Without one, the sandbox has its own share of the quota. */
  readonly store: QuotaStore | undefined
  readonly sandboxes: number
  readonly onStoreError: OnStoreError
  readonly clock: Clock
  onStoreFailure(error: unknown): void
}

/** Who keeps what was taken: all sandboxes together, this one alone, or nobody. */
export type Keeper = 'store' | 'own' | 'nobody'

export interface Taken {
  readonly answer: QuotaAnswer
  readonly keeper: Keeper
}

export interface Gate {
  /** As the last operation left the ledger; undefined before the first. */
  readonly view: QuotaView | undefined
  /** When that was, in milliseconds since the epoch. */
  readonly viewedAtMs: number
  /** In force now. */
  readonly limits: QuotaLimits
  /** Tokens that could be taken at once, as far as is known; negative while there is a line. */
  readonly balanceTokens: number | undefined
  take(take: QuotaTake): Promise<Taken>
  settle(settlement: QuotaSettlement, keeper: Keeper): Promise<void>
  extend(extension: QuotaExtension): Promise<void>
  /** Tells all sandboxes what this one has learned, unless another one was first. */
  learn(next: QuotaBelief, ifChangedAtMs: number): Promise<void>
  /** Brings the view up to date. */
  look(): Promise<void>
}

/** After a failure the store is left alone for so long, and asked again by the next one. */
const aloneMs = 1_000
/** Of one who has waited for the store once. */
const aloneTicket = 'alone'

interface Waiting {
  readonly take: QuotaTake
  readonly resolve: (taken: Taken) => void
  /** Asked for the second time, because the store did not answer the first. */
  readonly again: boolean
}

interface Batch {
  takes: Waiting[]
  settlements: QuotaSettlement[]
  extensions: QuotaExtension[]
  belief: QuotaChange['belief']
  /** Resolves when the operation is over, whether it worked or not. */
  done: PromiseWithResolvers<void>
}

export function openGate(options: GateOptions): Gate {
  const { key, quotas, share, store, sandboxes, onStoreError, clock } = options
  const own: OwnShare = ownShare()
  const wholeBurst = Math.floor((quotas.burstTokens ?? quotas.tokensPerMinute ?? 0) * share)
  const recent = recentTokens()
  let view: QuotaView | undefined
  let viewedAtMs = -Infinity
  let failedUntilMs = -Infinity
  let queued: Batch | undefined
  let running = false

  function limits(): QuotaLimits {
    return limitsOf(quotas, share, believed(view?.belief ?? noBelief, clock.now()))
  }

  /** What this sandbox used of late, and no less than what is its part of the whole. */
  function ownLimits(): QuotaLimits {
    const all = limits()
    const least = 1 / sandboxes
    const used = recent.sum(clock.now()) / (all.tokens?.perMinute ?? Infinity)
    const part = store ? Math.min(1, Math.max(least, used)) : least
    const shrink = (limit: QuotaLimits['tokens']) =>
      limit && {
        perMinute: Math.max(1, Math.floor(limit.perMinute * part)),
        burst: Math.max(1, Math.floor(limit.burst * part)),
      }
    return { tokens: shrink(all.tokens), requests: shrink(all.requests) }
  }

  function alone(take: QuotaTake): Taken {
    if (store && onStoreError === 'open') {
      return { answer: { id: take.id, state: 'admitted' }, keeper: 'nobody' }
    }
    if (store && onStoreError === 'closed') {
      const answer = {
        id: take.id,
        state: 'refused',
        limit: 'tokens',
        waitMs: aloneMs,
        overBy: take.tokens,
      } as const
      return { answer, keeper: 'nobody' }
    }
    const bounds = fitting(ownLimits(), [take], wholeBurst)
    const answer = own.take(take, bounds, clock.now())
    const storeInMs = Math.max(1, failedUntilMs - clock.now())
    if (!store || answer.state !== 'refused' || answer.waitMs <= storeInMs) return { answer, keeper: 'own' }
    // What is too much for one sandbox may be little for all: that is known when the store answers again.
    const mayAskIt = take.ticket !== aloneTicket && take.maxWaitMs > storeInMs
    return mayAskIt
      ? {
          answer: { id: take.id, state: 'waiting', askInMs: storeInMs, ticket: aloneTicket },
          keeper: 'nobody',
        }
      : { answer: { ...answer, waitMs: storeInMs }, keeper: 'own' }
  }

  function batch(): Batch {
    if (!queued) {
      queued = {
        takes: [],
        settlements: [],
        extensions: [],
        belief: undefined,
        done: Promise.withResolvers(),
      }
      // Those who come in the same moment, and those who come while the store is being asked, go together.
      if (!running) queueMicrotask(() => void flush())
    }
    return queued
  }

  async function flush(): Promise<void> {
    running = true
    while (queued) {
      const { takes, settlements, extensions, belief, done } = queued
      queued = undefined
      try {
        const change = {
          limits: fitting(
            limits(),
            takes.map(({ take }) => take),
            wholeBurst,
          ),
          ...(settlements.length > 0 && { settlements }),
          ...(extensions.length > 0 && { extensions }),
          ...(takes.length > 0 && { takes: takes.map(({ take }) => take) }),
          ...(belief && { belief }),
        }
        const update = await (store as QuotaStore).update(key, change)
        view = update.view
        viewedAtMs = clock.now()
        takes.forEach(({ resolve }, index) => {
          resolve({ answer: update.answers[index] as QuotaAnswer, keeper: 'store' })
        })
      } catch (error) {
        options.onStoreFailure(error)
        const first = takes.filter(({ again }) => !again)
        // A take may be asked for again: what it took unseen comes back when it expires. A settlement may not.
        if (first.length > 0) batch().takes.unshift(...first.map((waiting) => ({ ...waiting, again: true })))
        else failedUntilMs = clock.now() + aloneMs
        for (const { take, resolve, again } of takes) if (again) resolve(alone(take))
      }
      done.resolve()
    }
    running = false
  }

  function answers(): boolean {
    return store !== undefined && clock.now() >= failedUntilMs
  }

  return {
    get view() {
      return view
    },
    get viewedAtMs() {
      return viewedAtMs
    },
    get limits() {
      return store ? limits() : ownLimits()
    },
    get balanceTokens() {
      return store ? view?.tokens : own.room(ownLimits(), clock.now())
    },
    async take(take) {
      if (!answers()) return alone(take)
      return new Promise<Taken>((resolve) => batch().takes.push({ take, resolve, again: false }))
    },
    async settle(settlement, keeper) {
      recent.add(clock.now(), settlement.usedTokens)
      if (keeper === 'own') own.settle(settlement, ownLimits(), clock.now())
      // What cannot be settled comes back when the hold expires.
      if (keeper !== 'store' || !answers()) return
      const { settlements, done } = batch()
      settlements.push(settlement)
      await done.promise
    },
    async extend(extension) {
      if (!answers()) return
      const { extensions, done } = batch()
      extensions.push(extension)
      await done.promise
    },
    async learn(next, ifChangedAtMs) {
      if (!answers()) return
      const open = batch()
      open.belief ??= { next, ifChangedAtMs }
      await open.done.promise
    },
    async look() {
      if (answers()) await batch().done.promise
    },
  }
}

/** What was learned must not shut out a call that the provider lets through. */
function fitting(limits: QuotaLimits, takes: readonly QuotaTake[], wholeBurst: number): QuotaLimits {
  if (!limits.tokens) return limits
  const largest = takes.reduce((most, { tokens }) => Math.max(most, tokens), 0)
  const burst = Math.max(limits.tokens.burst, Math.min(largest, wholeBurst))
  return { ...limits, tokens: { ...limits.tokens, burst } }
}

/** Tokens of the last 60 s, by the second. */
function recentTokens(): { add(nowMs: number, tokens: number): void; sum(nowMs: number): number } {
  const seconds = new Float64Array(60)
  let lastSecond = -Infinity

  function move(nowMs: number): number {
    const second = Math.floor(nowMs / 1000)
    if (second - lastSecond >= 60) seconds.fill(0)
    else for (let each = lastSecond + 1; each <= second; each++) seconds[each % 60] = 0
    lastSecond = Math.max(lastSecond, second)
    return second % 60
  }

  return {
    add(nowMs, tokens) {
      const index = move(nowMs)
      seconds[index] = (seconds[index] ?? 0) + tokens
    },
    sum(nowMs) {
      move(nowMs)
      return seconds.reduce((total, tokens) => total + tokens, 0)
    },
  }
}
