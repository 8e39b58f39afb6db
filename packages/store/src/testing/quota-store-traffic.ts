/** Calls of many sandboxes against one quota store, in the time of its clock: who came, waited, started and ended when. */

import { randomUUID } from 'node:crypto'
import type { QuotaAnswer, QuotaLimits, QuotaStore, QuotaTake } from '../quota-store.ts'

/** A store under test, and the clock that it goes by. */
export interface QuotaStoreHarness {
  /** A sandbox of its own on the common backend. Its clock is ahead by `skewMs`, where the store uses it at all. */
  open(options?: { readonly skewMs?: number }): QuotaStore
  /** The time, in milliseconds since the epoch. */
  now(): number
  /** Moves the time of the backend and of all sandboxes. */
  advance(durationMs: number): Promise<void> | void
  /** How long after `expiresAtMs` a dead holder is noticed, at most. */
  readonly reclaimMs: number
  /** Holds are known by their ids, and who waits stands in strict order; otherwise both hold only roughly. */
  readonly exact: boolean
  /** Writes state of another layout under the key, as older or newer code would. */
  plantOtherVersion?(key: string): Promise<void>
}

/** A call that comes at `atMs` after the start, holds `tokens`, and ends after `serviceMs` with `usedTokens`. */
export interface Arrival {
  readonly atMs: number
  readonly tenant: string
  readonly tokens: number
  readonly usedTokens: number
  readonly serviceMs: number
  readonly maxWaitMs: number
  readonly weight?: number
  readonly priority?: 'interactive' | 'batch'
}

export interface Call extends Arrival {
  readonly id: string
  state: 'coming' | 'waiting' | 'started' | 'refused'
  /** When it started, after the start of the traffic. */
  startedMs: number
  /** Operations that ended in an answer for it, without its settlement. */
  asked: number
  ticket: string | undefined
}

export interface TrafficResult {
  readonly calls: readonly Call[]
  /** The least that the provider's own bucket had at any time; below 0 is a 429. */
  readonly lowestRoom: number
}

/** Runs all calls to their end. `sandboxes` take turns. */
export async function runTraffic(
  harness: QuotaStoreHarness,
  sandboxes: readonly QuotaStore[],
  key: string,
  limits: QuotaLimits,
  arrivals: readonly Arrival[],
): Promise<TrafficResult> {
  const startMs = harness.now()
  const calls: Call[] = arrivals.map((arrival) => ({
    ...arrival,
    id: randomUUID(),
    state: 'coming',
    startedMs: -1,
    asked: 0,
    ticket: undefined,
  }))
  const provider = providerBucket(limits)
  type Event = { readonly atMs: number; readonly call: Call; readonly what: 'ask' | 'start' | 'end' }
  let events: Event[] = calls.map((call) => ({ atMs: call.atMs, call, what: 'ask' }))
  const woken: Call[] = []
  let turn = 0

  for (;;) {
    let first = 0
    for (let index = 1; index < events.length; index++) {
      if ((events[index] as Event).atMs < (events[first] as Event).atMs) first = index
    }
    const [event] = events.splice(first, 1)
    if (!event) break
    const { call, what } = event
    const elapsedMs = harness.now() - startMs
    if (event.atMs > elapsedMs) await harness.advance(event.atMs - elapsedMs)
    const nowMs = Math.max(event.atMs, elapsedMs)
    const store = sandboxes[turn++ % sandboxes.length] as QuotaStore
    if (what === 'start') start(call, nowMs)
    else if (what === 'ask') follow(call, nowMs, await ask(store, call, nowMs))
    else await end(store, call, nowMs)
    for (const call of woken.splice(0)) {
      // It may have asked, and been told so, in the same moment.
      if (call.state !== 'waiting') continue
      events = events.filter((event) => event.call !== call)
      start(call, nowMs)
    }
  }
  return { calls, lowestRoom: provider.lowest() }

  async function ask(store: QuotaStore, call: Call, nowMs: number): Promise<QuotaAnswer> {
    call.asked += 1
    const { answers } = await store.update(key, { limits, takes: [takeOf(call, nowMs)] })
    return answers[0] as QuotaAnswer
  }

  function takeOf(call: Call, nowMs: number): QuotaTake {
    const { id, tokens, tenant, ticket } = call
    const leftMs = Math.max(0, call.atMs + call.maxWaitMs - nowMs)
    return {
      id,
      tokens,
      expectedTokens: call.usedTokens,
      expiresAtMs: expiryOf(call),
      maxWaitMs: leftMs,
      tenant,
      weight: call.weight ?? 1,
      priority: call.priority ?? 'interactive',
      ...(ticket === undefined ? {} : { ticket }),
    }
  }

  /** Of every answer for a call the same, so that a store without ids can find its hold again. */
  function expiryOf(call: Call): number {
    return startMs + call.atMs + call.maxWaitMs + call.serviceMs + 60_000
  }

  function follow(call: Call, nowMs: number, answer: QuotaAnswer): void {
    if (answer.state === 'admitted') start(call, nowMs)
    else call.state = answer.state
    if (answer.state !== 'waiting') return
    call.ticket = answer.ticket
    const { askInMs, startInMs = Number.POSITIVE_INFINITY } = answer
    void answer.admitted?.then(() => woken.push(call))
    if (startInMs <= askInMs) events.push({ atMs: nowMs + startInMs, call, what: 'start' })
    else events.push({ atMs: nowMs + Math.max(1, askInMs), call, what: 'ask' })
  }

  function start(call: Call, nowMs: number): void {
    call.state = 'started'
    call.startedMs = nowMs
    provider.take(call.tokens, nowMs)
    events.push({ atMs: nowMs + call.serviceMs, call, what: 'end' })
  }

  async function end(store: QuotaStore, call: Call, nowMs: number): Promise<void> {
    const { id, tokens, usedTokens, ticket } = call
    provider.settle(tokens - usedTokens, nowMs)
    const settlement = { id, tokens, usedTokens, expiresAtMs: expiryOf(call), sent: true }
    await store.update(key, {
      limits,
      settlements: [ticket === undefined ? settlement : { ...settlement, ticket }],
    })
  }
}

/** What the provider itself would say: its buckets, counted independently of any store. */
function providerBucket({ tokens, requests }: QuotaLimits) {
  const buckets = [tokens, requests].map((limit) => ({ limit, room: limit?.burst ?? 0 }))
  let atMs = 0
  let lowestRoom = Number.POSITIVE_INFINITY

  function change(amounts: readonly number[], nowMs: number): void {
    for (const [index, bucket] of buckets.entries()) {
      if (!bucket.limit) continue
      const { perMinute, burst } = bucket.limit
      bucket.room = Math.min(burst, bucket.room + ((nowMs - atMs) * perMinute) / 60_000)
      bucket.room = Math.min(burst, bucket.room + (amounts[index] ?? 0))
    }
    atMs = nowMs
  }

  return {
    take(amount: number, nowMs: number) {
      change([-amount, -1], nowMs)
      for (const { limit, room } of buckets) if (limit) lowestRoom = Math.min(lowestRoom, room)
    },
    settle(rest: number, nowMs: number) {
      change([rest, 0], nowMs)
    },
    lowest: () => lowestRoom,
  }
}

/** Jain's index of how evenly `values` are spread: 1 is even, 1/n is one who has all. */
export function jainIndex(values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0)
  const squares = values.reduce((total, value) => total + value * value, 0)
  return squares === 0 ? 1 : (sum * sum) / (values.length * squares)
}
