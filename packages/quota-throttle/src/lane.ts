/** One ledger as one sandbox sees it: the way to it, what is believed of it, and what its refusals teach. */

import { type Clock, SluiceError } from '@sluice/core'
import { noBelief, type QuotaMode } from '@sluice/store'
import { blocked, lowered } from './belief.ts'
import { type Gate, type GateOptions, openGate } from './gate.ts'
import { limitsOf } from './quotas.ts'

export interface Lane {
  readonly key: string
  readonly gate: Gate
  /** As switched in the store, else as configured. */
  mode(configured: QuotaMode): QuotaMode
  /**
   * How long the provider is left alone because the tokens of the day are used up, in milliseconds. 0 also for the one
   * who is to try whether that is over: one sandbox every 15 minutes.
   */
  blockedForMs(): Promise<number>
  /** True while this sandbox is the one that tries. */
  readonly probing: boolean
  /** Whether an error says that the provider let nothing in for lack of quota. */
  isRefusal(error: Error | undefined): boolean
  /** Learns from how an attempt of `tokens` that was admitted ended, `durationMs` after it had asked. */
  learn(
    error: Error | undefined,
    tokens: number,
    durationMs: number,
  ): Promise<'throttled' | 'blocked' | undefined>
}

export interface LaneOptions extends GateOptions {
  readonly clock: Clock
}

const probeEveryMs = 15 * 60_000
/** How old may be what is known of the mode, where nothing else asks the store. */
const lookEveryMs = 30_000

export function openLane(options: LaneOptions): Lane {
  const { key, quotas, share, clock } = options
  const gate = openGate(options)
  const configured = limitsOf(quotas, share, noBelief)
  let probing = false

  function belief() {
    return gate.view?.belief ?? noBelief
  }

  /** Which part of the configured burst is in use, in thousandths, and which part `tokens` are. */
  function permilles(tokens: number): { used: number; asked: number } {
    const whole = configured.tokens?.burst ?? configured.requests?.burst ?? 1
    const inForce = configured.tokens ? gate.limits.tokens?.burst : gate.limits.requests?.burst
    const room = configured.tokens ? gate.view?.tokens : gate.view?.requests
    const used = Math.max(0, (inForce ?? whole) - (room ?? 0))
    return {
      used: Math.round((used / whole) * 1000),
      asked: ((configured.tokens ? tokens : 1) / whole) * 1000,
    }
  }

  return {
    key,
    gate,
    get probing() {
      return probing
    },
    isRefusal: (error) => codeOf(error) === 'throttled' || codeOf(error) === 'daily_quota_exceeded',
    mode(configured) {
      const known = gate.view?.mode ?? configured
      // Nobody asks the store while it is off: the way back must be seen all the same.
      if (known === 'off' && clock.now() - gate.viewedAtMs > lookEveryMs) void gate.look()
      return known
    },
    async blockedForMs() {
      const { blockedUntilMs, changedAtMs } = belief()
      const now = clock.now()
      if (blockedUntilMs === 0) return 0
      if (now < blockedUntilMs) return blockedUntilMs - now
      // Two may claim it in the same millisecond: the odd time tells whose claim stands.
      const claim = blocked(belief(), now, now + probeEveryMs + Math.floor(Math.random() * 1_000))
      await gate.learn(claim, changedAtMs)
      const stands = belief()
      const mine = stands.changedAtMs === claim.changedAtMs && stands.blockedUntilMs === claim.blockedUntilMs
      probing ||= mine
      return mine ? 0 : Math.max(0, belief().blockedUntilMs - clock.now())
    },
    async learn(error, tokens, durationMs) {
      const code = codeOf(error)
      const now = clock.now()
      const { changedAtMs, blockedUntilMs } = belief()
      if (code === 'daily_quota_exceeded') {
        probing = false
        await gate.learn(blocked(belief(), now, now + probeEveryMs), changedAtMs)
        return 'blocked'
      }
      if (code === 'throttled') {
        const { used, asked } = permilles(tokens)
        const refusal = { askedAtMs: now - durationMs, usedPermille: used, leastBurstPermille: 2 * asked }
        const next = lowered(belief(), now, refusal)
        if (next) await gate.learn(next, changedAtMs)
        return 'throttled'
      }
      if (!error && probing && blockedUntilMs !== 0) {
        probing = false
        await gate.learn(blocked(belief(), now, 0), changedAtMs)
      }
      return undefined
    },
  }
}

function codeOf(error: unknown): string | undefined {
  return SluiceError.is(error) ? error.code : undefined
}
