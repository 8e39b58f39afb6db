/** Which calls arrive when, whatever becomes of the earlier ones. The same for all policies. */

import { type Random, randomOf } from './random.ts'
import { foreignShare, type Settings } from './settings.ts'
import type { TracedRequest } from './trace.ts'

export interface Arrival {
  /** From the start of the run on. */
  readonly atMs: number
  readonly tenant: number
  readonly inputTokens: number
  readonly outputTokens: number
  /** Bytes that a token of the prompt has: what estimates get wrong. */
  readonly bytesPerToken: 3 | 4 | 5
  /** Its sandbox dies while it is being answered. */
  readonly killed: boolean
}

export interface Schedule {
  readonly arrivals: readonly Arrival[]
  readonly durationMs: number
  /** Calls of others on the same quota: never held back, never tried again. */
  readonly foreign: readonly Arrival[]
}

type Size = Pick<Arrival, 'inputTokens' | 'outputTokens'>

const medianInputTokens = 1_500
const medianOutputTokens = 300
const spread = 0.7

/** What a call is charged, as the policies are told. */
export function chargeOf({ inputTokens, outputTokens }: Size, { burndown }: Settings): number {
  return inputTokens + burndown * outputTokens
}

/** Rescales a trace, or bursty Poisson arrivals, so that the demand is `load` times the refill. */
export function scheduleOf(settings: Settings, trace?: readonly TracedRequest[]): Schedule {
  const { calls, load, tokensPerMinute, maxTokens, seed } = settings
  const random = randomOf(seed)
  const sizeOf = (): Size => ({
    inputTokens: Math.ceil(Math.min(20_000, random.logNormal(medianInputTokens, spread))),
    outputTokens: Math.ceil(Math.min(maxTokens, random.logNormal(medianOutputTokens, spread))),
  })
  const times = trace ? tracedTimes(trace, calls) : burstyTimes(calls, random)
  const sizes = times.map((_, index): Size => {
    if (!trace) return sizeOf()
    const { inputTokens, outputTokens } = trace[index % trace.length] as TracedRequest
    return { inputTokens, outputTokens: Math.min(maxTokens, outputTokens) }
  })
  const demand = sizes.reduce((sum, size) => sum + chargeOf(size, settings), 0)
  const durationMs = (demand / (tokensPerMinute * load)) * 60_000
  const stretch = durationMs / ((times.at(-1) as number) + 1)
  const killedUntilMs = 0.6 * durationMs
  const arrivals = sizes.map((size, index): Arrival => {
    const atMs = (times[index] as number) * stretch
    const tenant = pickTenant(settings.tenants, random.next())
    const bytesPerToken = (3 + Math.floor(3 * random.next())) as 3 | 4 | 5
    const dies = random.chance(settings.kill)
    // The last part shows how long it takes until all is as before.
    return { atMs, tenant, ...size, bytesPerToken, killed: dies && atMs < killedUntilMs }
  })

  const foreign: Arrival[] = []
  if (settings.wrong === 'foreign') {
    let atMs = 0
    while (atMs < durationMs) {
      const size = sizeOf()
      foreign.push({ atMs, tenant: -1, ...size, bytesPerToken: 4, killed: false })
      atMs += random.exponential((chargeOf(size, settings) / (tokensPerMinute * foreignShare)) * 60_000)
    }
  }
  return { arrivals, durationMs, foreign }
}

/** Work comes in bursts: an upload of many files, a queue that was filled. */
function burstyTimes(calls: number, random: Random): number[] {
  let at = 0
  let inBurst = 0
  return Array.from({ length: calls }, () => {
    if (inBurst > 0) inBurst--
    else if (random.chance(0.01)) inBurst = 5 + Math.floor(36 * random.next())
    at += inBurst > 0 ? 0.001 : random.exponential(1)
    return at
  })
}

/** Over and over, where the trace is shorter than the run. */
function tracedTimes(trace: readonly TracedRequest[], calls: number): number[] {
  const lastMs = trace.at(-1)?.atMs ?? 0
  const lapMs = lastMs + Math.max(1, lastMs / trace.length)
  return Array.from({ length: calls }, (_, index) => {
    const lap = Math.floor(index / trace.length)
    return lap * lapMs + (trace[index % trace.length] as TracedRequest).atMs
  })
}

function pickTenant(tenants: readonly number[], at: number): number {
  let rest = at
  const index = tenants.findIndex((part) => {
    rest -= part
    return rest < 0
  })
  return index < 0 ? tenants.length - 1 : index
}
