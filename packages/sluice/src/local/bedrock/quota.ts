/** The published quota rule of the service: hold the most at the start, settle what it was at the end. */
import { matchesModel } from './faults.ts'

/** The quotas of a model. Several rules may hold for one; each model id has ledgers of its own. */
export interface QuotaRule {
  /** A model id; `*` at its end stands for any rest. @default every model */
  model?: string
  tokensPerMinute?: number
  requestsPerMinute?: number
  tokensPerDay?: number
  /** `bucket` refills all the time, `window` starts again with each whole minute. @default 'bucket' */
  shape?: 'bucket' | 'window'
  /** The most tokens a bucket holds. @default tokensPerMinute */
  burstTokens?: number
  /** The most requests a bucket holds. @default requestsPerMinute */
  burstRequests?: number
}

/** What a request asks of its quotas. */
export interface QuotaDemand {
  inputTokens: number
  cacheReadTokens: number
  cacheWriteTokens: number
  /** The most the answer can have: held at its face value, whatever output weighs at settlement. */
  maxTokens: number
  /** What an output token weighs at settlement. */
  burndown: number
}

/** A request that was let in, or the reason why it was not. */
export interface Hold {
  refused?: 'requests' | 'tokens' | 'daily'
  /**
   * Settles once: charges input, cache writes and weighed output, and gives the rest of what was held back.
   * Without output tokens the model never saw the request, and nothing is charged.
   *
   * @returns the tokens charged
   */
  settle(outputTokens?: number): number
}

/** The quotas in force. */
export interface Quotas {
  admit(modelId: string, demand: QuotaDemand): Hold
  reset(): void
}

/** Puts quotas in force. @throws TypeError naming a limit that cannot be used */
export function quotaRules(rules: readonly QuotaRule[], now: () => number): Quotas {
  rules.forEach(checkRule)
  const ledgers = new Map<string, Ledger[]>()

  const ledgersOf = (modelId: string): Ledger[] => {
    // An ARN of a model or profile counts against the same ledger as the id at its end.
    const model = modelId.slice(modelId.lastIndexOf('/') + 1)
    let known = ledgers.get(model)
    if (!known) {
      known = rules.filter((rule) => matchesModel(rule.model ?? '*', model)).flatMap(ledgersOfRule)
      ledgers.set(model, known)
    }
    return known
  }

  return {
    reset: () => ledgers.clear(),
    admit(modelId, { inputTokens, cacheReadTokens, cacheWriteTokens, maxTokens, burndown }) {
      const held = inputTokens + cacheReadTokens + cacheWriteTokens + maxTokens
      const all = ledgersOf(modelId)
      const time = now()
      const full = all.find((ledger) => ledger.gauge.room(time) < (ledger.counts === 'requests' ? 1 : held))
      if (full) return { refused: full.counts, settle: () => 0 }
      const releases: ReturnType<Gauge['take']>[] = []
      for (const { gauge, counts } of all) {
        if (counts === 'requests') gauge.take(1, time)
        else releases.push(gauge.take(held, time))
      }
      let settled = false
      return {
        settle(outputTokens) {
          if (settled) return 0
          settled = true
          const used =
            outputTokens === undefined ? 0 : inputTokens + cacheWriteTokens + outputTokens * burndown
          for (const release of releases) release(used, now())
          return used
        },
      }
    },
  }
}

interface Ledger {
  counts: 'requests' | 'tokens' | 'daily'
  gauge: Gauge
}

/** What is left of a limit. */
export interface Gauge {
  room(now: number): number
  /** Takes an amount, and returns the function that replaces it by what was really used. */
  take(amount: number, now: number): (used: number, now: number) => void
}

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS

function ledgersOfRule(rule: QuotaRule): Ledger[] {
  const { requestsPerMinute, tokensPerMinute, tokensPerDay, shape = 'bucket' } = rule
  const minuteGauge = (limit: number, burst: number) =>
    shape === 'bucket' ? bucket(burst, limit / MINUTE_MS) : fixedWindow(limit, MINUTE_MS)
  const ledgers: Ledger[] = []
  if (requestsPerMinute !== undefined) {
    ledgers.push({
      counts: 'requests',
      gauge: minuteGauge(requestsPerMinute, rule.burstRequests ?? requestsPerMinute),
    })
  }
  if (tokensPerMinute !== undefined) {
    ledgers.push({
      counts: 'tokens',
      gauge: minuteGauge(tokensPerMinute, rule.burstTokens ?? tokensPerMinute),
    })
  }
  if (tokensPerDay !== undefined) ledgers.push({ counts: 'daily', gauge: fixedWindow(tokensPerDay, DAY_MS) })
  return ledgers
}

/** A bucket that starts full and refills all the time; a settlement above the hold may leave it in debt. */
export function bucket(capacity: number, perMs: number): Gauge {
  let level = capacity
  let at: number | undefined
  const refill = (now: number) => {
    level = Math.min(capacity, level + Math.max(0, now - (at ?? now)) * perMs)
    at = now
  }
  return {
    room(now) {
      refill(now)
      return level
    },
    take(amount, now) {
      refill(now)
      level -= amount
      return (used, later) => {
        refill(later)
        level = Math.min(capacity, level + amount - used)
      }
    },
  }
}

/** A limit that starts again at each whole multiple of its length. */
export function fixedWindow(limit: number, lengthMs: number): Gauge {
  let window = Number.NEGATIVE_INFINITY
  let used = 0
  const turn = (now: number) => {
    const current = Math.floor(now / lengthMs)
    if (current <= window) return
    window = current
    used = 0
  }
  return {
    room(now) {
      turn(now)
      return limit - used
    },
    take(amount, now) {
      turn(now)
      used += amount
      const taken = window
      return (spent, later) => {
        turn(later)
        // What an earlier window held is gone with it; only what goes beyond that is new.
        used += taken === window ? spent - amount : Math.max(0, spent - amount)
      }
    },
  }
}

function checkRule(rule: QuotaRule, index: number): void {
  const limits = [
    'tokensPerMinute',
    'requestsPerMinute',
    'tokensPerDay',
    'burstTokens',
    'burstRequests',
  ] as const
  for (const limit of limits) {
    const value = rule[limit]
    if (value !== undefined && !(Number.isFinite(value) && value >= 0)) {
      throw new TypeError(`quotas[${index}].${limit} is ${value}`)
    }
  }
}
