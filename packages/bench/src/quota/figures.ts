/** What a run comes to: from the provider's own account, and from what callers saw. */

import type { RequestRecord } from 'sluice/local'
import type { EndedCall, Window } from './dispatch.ts'
import { chargeOf } from './schedule.ts'
import { ourTokensPerMinute, type Settings, truthOf } from './settings.ts'
import { jain, maxMinShares, quantile, upper95 } from './statistics.ts'

export interface Run {
  readonly settings: Settings
  readonly startMs: number
  readonly durationMs: number
  readonly window: Window
  readonly calls: readonly EndedCall[]
  /** All that the provider was sent, of others as well. */
  readonly requests: readonly RequestRecord[]
  readonly settledTokens: number
  /** Requests to the store within the window. */
  readonly operations: number
}

export interface Figures {
  readonly calls: number
  readonly attempts: number
  readonly ok: number
  /** Sent away without an attempt, by a limiter of ours. */
  readonly shed: number
  readonly throttled: number
  readonly throttledPerAttempt: number
  readonly throttledUpper95: number
  /** Tokens settled, as a part of the refill. */
  readonly goodput: number
  readonly successWithinDeadline: number
  readonly waitMs: { readonly p50: number; readonly p99: number }
  readonly storeOpsPerCall: number
  readonly jain: number
  readonly lightTenantSuccess: number
  /** With `kill`: from the last deadline of a killed call until the provider serves at full rate again. */
  readonly recoveredAfterMs?: number
}

/** The first fifth shows how it starts, not how it is. */
export function windowOf(durationMs: number): Window {
  return { fromMs: durationMs / 5, toMs: durationMs }
}

/** @throws Error when the accounts do not agree: then something else was measured */
export function figuresOf(run: Run): Figures {
  const { settings, window, startMs, calls, operations } = run
  const within = (atMs: number) => atMs >= window.fromMs && atMs < window.toMs
  const charge = chargedBy(settings)
  const sum = run.requests.reduce((total, request) => total + charge(request), 0)
  if (sum !== run.settledTokens) {
    throw new Error(`The provider settled ${run.settledTokens} tokens, its records say ${sum}.`)
  }

  const ours = run.requests.filter((request) => !isForeign(request))
  const sent = ours.filter(({ at }) => within(at - startMs))
  const throttled = sent.filter(isRefused).length
  const settled = (requests: readonly RequestRecord[]) =>
    requests
      .filter(({ at, totalMs }) => within(at + totalMs - startMs))
      .reduce((total, request) => total + charge(request), 0)
  const refill = (settings.tokensPerMinute * (window.toMs - window.fromMs)) / 60_000

  // A killed call cannot be answered by anybody; the last ones meet a line to which nobody is added any more.
  const lastMs = Math.max(window.toMs - settings.deadlineMs, (window.fromMs + window.toMs) / 2)
  const arrived = calls.filter(
    ({ arrival, end }) => within(arrival.atMs) && arrival.atMs < lastMs && end !== 'killed',
  )
  const ok = arrived.filter(({ end }) => end === 'ok')
  const finished = calls.filter(({ endedMs }) => within(endedMs)).length
  const waits = ok.map(({ waitedMs }) => waitedMs)
  const recoveredAfterMs = settings.kill > 0 ? recovery(run, ours) : undefined
  return {
    calls: arrived.length,
    attempts: sent.length,
    ok: ok.length,
    shed: arrived.filter(({ end }) => end === 'shed').length,
    throttled,
    throttledPerAttempt: sent.length === 0 ? 0 : throttled / sent.length,
    throttledUpper95: upper95(throttled, sent.length),
    goodput: settled(ours) / (refill - settled(run.requests.filter(isForeign))),
    successWithinDeadline: part(ok.length, arrived.length),
    waitMs: { p50: Math.round(quantile(waits, 0.5)), p99: Math.round(quantile(waits, 0.99)) },
    storeOpsPerCall: operations / Math.max(1, finished),
    ...fairness(settings, lastMs - window.fromMs, arrived),
    ...(recoveredAfterMs !== undefined && { recoveredAfterMs }),
  }
}

function fairness(
  settings: Settings,
  durationMs: number,
  arrived: readonly EndedCall[],
): Pick<Figures, 'jain' | 'lightTenantSuccess'> {
  const tenants = settings.tenants.map((_, tenant) => {
    const theirs = arrived.filter(({ arrival }) => arrival.tenant === tenant)
    const served = theirs.filter(({ end }) => end === 'ok')
    const tokens = (list: readonly EndedCall[]) =>
      list.reduce((sum, { arrival }) => sum + chargeOf(arrival, settings), 0)
    return { calls: theirs.length, ok: served.length, asked: tokens(theirs), served: tokens(served) }
  })
  const capacity = (ourTokensPerMinute(settings) * durationMs) / 60_000
  const fair = maxMinShares(
    tenants.map(({ asked }) => asked),
    capacity,
  )
  const asking = tenants.filter(({ asked }) => asked > 0)
  const light = asking.filter((_, index) => !hasHog(settings) || index > 0)
  return {
    jain: jain(tenants.flatMap(({ asked, served }, index) => (asked > 0 ? [served / fair[index]!] : []))),
    lightTenantSuccess: part(
      light.reduce((sum, { ok }) => sum + ok, 0),
      light.reduce((sum, { calls }) => sum + calls, 0),
    ),
  }
}

/** The first of the tenants asks for more than the others. */
export function hasHog({ tenants }: Pick<Settings, 'tenants'>): boolean {
  return (tenants[0] ?? 0) > 1.01 * (tenants[1] ?? 1)
}

const fullRate = 0.97
const stepMs = 5_000
const spanMs = 30_000

/** From the last deadline of the killed on: when 30 s begin in which the provider settles as much as it refills. */
function recovery(
  { settings, startMs, durationMs, calls }: Run,
  ours: readonly RequestRecord[],
): number | undefined {
  const killed = calls.filter(({ end }) => end === 'killed')
  if (killed.length === 0) return 0
  const lastMs = Math.max(...killed.map(({ arrival }) => arrival.atMs)) + settings.deadlineMs
  const charge = chargedBy(settings)
  for (let fromMs = lastMs; fromMs + spanMs <= durationMs; fromMs += stepMs) {
    const settled = ours
      .filter(({ at, totalMs }) => {
        const endMs = at + totalMs - startMs
        return endMs >= fromMs && endMs < fromMs + spanMs
      })
      .reduce((total, request) => total + charge(request), 0)
    const possible = (settings.tokensPerMinute * Math.min(1, settings.load) * spanMs) / 60_000
    if (settled >= fullRate * possible) return Math.round(fromMs - lastMs)
  }
  return undefined
}

function chargedBy(settings: Settings): (request: RequestRecord) => number {
  const { burndown } = truthOf(settings)
  return (request) => (isRefused(request) ? 0 : request.inputTokens + burndown * request.outputTokens)
}

export function isRefused({ fault }: RequestRecord): boolean {
  return fault?.startsWith('quota:') ?? false
}

export function isForeign({ metadata }: RequestRecord): boolean {
  return metadata?.tenant === 'tenant--1'
}

function part(some: number, all: number): number {
  return all === 0 ? 1 : some / all
}
