/** Adds records up: by whatever they are told apart, and what of the money brought nothing. */

import { type AttemptCostRecord, type CostRecord, picoUsdOf } from '@sluice/cost-meter'

/** A sum over attempts. Money in picodollars (1e-12 USD), exact. */
export interface Group {
  picoUsd: bigint
  atMostPicoUsd: bigint
  attempts: number
  inputTokens: number
  outputTokens: number
  /** Attempts without a price: their cost is in no sum. */
  unpriced: number
}

/** Money that brought no answer, or tokens that were held for none. */
export interface Losses {
  /** Attempts after which the call was tried again. */
  readonly retries: Loss
  /** Last attempts whose answer was cut, aborted or not read to its end. */
  readonly aborts: Loss
  /** Of answers: what `maxTokens` held of the quota beyond the tokens that came, and what those would have cost. */
  readonly oversized: { readonly tokens: number; readonly answers: number; readonly picoUsd: bigint }
}

export interface Loss {
  attempts: number
  picoUsd: bigint
  atMostPicoUsd: bigint
}

export interface Summary {
  readonly total: Group
  /** By dimension, then by value. */
  readonly groups: Readonly<Record<string, ReadonlyMap<string, Group>>>
  readonly losses: Losses
  readonly calls: {
    readonly ended: number
    readonly failed: number
    readonly cached: number
    readonly shed: number
  }
  readonly lambda: { readonly invocations: number; readonly picoUsd: bigint; readonly waitingPicoUsd: bigint }
  /** Models without a price. */
  readonly unpricedModels: ReadonlySet<string>
}

export interface Summing {
  /** Returns false for a record that was there before: logs are exported twice, or written in two formats. */
  add(record: CostRecord): boolean
  summary(): Summary
}

/** What records are told apart by: `tenant`, `model`, `day`, `route`, or `tag:NAME`. */
export function summing(dimensions: readonly string[]): Summing {
  const seen = new Set<string>()
  const total = newGroup()
  const groups = Object.fromEntries(dimensions.map((name) => [name, new Map<string, Group>()]))
  /** Attempts without an answer; whether the call went on is known when all records are read. */
  const unanswered: { callId: string; attempt: number; picoUsd: bigint; atMostPicoUsd: bigint }[] = []
  const lastAttempts = new Map<string, number>()
  const oversized = { tokens: 0, answers: 0, picoUsd: 0n }
  const calls = { ended: 0, failed: 0, cached: 0, shed: 0 }
  const lambda = { invocations: 0, picoUsd: 0n, waitingPicoUsd: 0n }
  const unpricedModels = new Set<string>()

  function addAttempt(record: AttemptCostRecord): void {
    const { callId, attempt, cost, status, modelId } = record
    addTo(total, record)
    for (const name of dimensions) {
      const value = labelOf(record, name)
      const group = groups[name]?.get(value) ?? newGroup()
      groups[name]?.set(value, group)
      addTo(group, record)
    }
    if (!cost.priced) unpricedModels.add(modelId)
    if (attempt > 1) lastAttempts.set(callId, Math.max(attempt, lastAttempts.get(callId) ?? 0))
    if (status === 'answered') addUnused(record)
    else unanswered.push({ callId, attempt, ...picoOf(cost) })
  }

  function addUnused({ maxTokens, usage, cost }: AttemptCostRecord): void {
    const tokens = Math.max(0, (maxTokens ?? 0) - usage.outputTokens)
    if (tokens === 0) return
    oversized.tokens += tokens
    oversized.answers++
    if (cost.priced && cost.parts.output) {
      oversized.picoUsd += (picoUsdOf(cost.parts.output) * BigInt(tokens)) / BigInt(usage.outputTokens)
    }
  }

  function losses(): Losses {
    const [retries, aborts] = [newLoss(), newLoss()]
    for (const { callId, attempt, picoUsd, atMostPicoUsd } of unanswered) {
      // What was refused is free and lost nothing.
      if (atMostPicoUsd === 0n) continue
      const loss = attempt < (lastAttempts.get(callId) ?? 0) ? retries : aborts
      loss.attempts++
      loss.picoUsd += picoUsd
      loss.atMostPicoUsd += atMostPicoUsd
    }
    return { retries, aborts, oversized }
  }

  return {
    add(record) {
      const key = keyOf(record)
      if (seen.has(key)) return false
      seen.add(key)
      if (record.kind === 'attempt') {
        addAttempt(record)
      } else if (record.kind === 'call') {
        calls.ended++
        if (record.status === 'failed') calls.failed++
        if (record.cached) calls.cached++
        if (record.shed) calls.shed++
      } else {
        lambda.invocations++
        lambda.picoUsd += picoUsdOf(record.lambda.usd ?? '0')
        lambda.waitingPicoUsd += picoUsdOf(record.lambda.waitingUsd ?? '0')
      }
      return true
    },
    summary: () => ({ total, groups, losses: losses(), calls, lambda, unpricedModels }),
  }
}

function keyOf(record: CostRecord): string {
  const { kind, startedAtMs, scopeId } = record
  if (kind === 'invocation') return `i ${scopeId} ${startedAtMs}`
  return `${record.callId} ${startedAtMs} ${kind === 'attempt' ? record.attempt : 'c'}`
}

function labelOf(record: AttemptCostRecord, dimension: string): string {
  if (dimension === 'tenant') return record.tenant ?? '-'
  if (dimension === 'model') return record.baseModelId
  if (dimension === 'day') return new Date(record.startedAtMs).toISOString().slice(0, 10)
  if (dimension === 'route') return routeOf(record)
  return record.tags[dimension.slice('tag:'.length)] ?? '-'
}

/** The way of a request: for which feature or other tags, by which operation, to which model as it was called. */
function routeOf({ tags, operation, modelId, terms }: AttemptCostRecord): string {
  const named = Object.entries(tags).map(([name, value]) => `${name}=${value}`)
  return [...named.toSorted(), operation, modelId, terms?.serviceTier].filter(Boolean).join(' ')
}

function addTo(group: Group, { cost, usage }: AttemptCostRecord): void {
  const { picoUsd, atMostPicoUsd } = picoOf(cost)
  group.picoUsd += picoUsd
  group.atMostPicoUsd += atMostPicoUsd
  group.attempts++
  group.inputTokens +=
    usage.inputTokens + usage.cacheReadTokens + usage.cacheWrite5mTokens + usage.cacheWrite1hTokens
  group.outputTokens += usage.outputTokens
  if (!cost.priced) group.unpriced++
}

function picoOf(cost: AttemptCostRecord['cost']): { picoUsd: bigint; atMostPicoUsd: bigint } {
  if (!cost.priced) return { picoUsd: 0n, atMostPicoUsd: 0n }
  const picoUsd = picoUsdOf(cost.usd)
  return { picoUsd, atMostPicoUsd: cost.atMostUsd ? picoUsdOf(cost.atMostUsd) : picoUsd }
}

function newGroup(): Group {
  return { picoUsd: 0n, atMostPicoUsd: 0n, attempts: 0, inputTokens: 0, outputTokens: 0, unpriced: 0 }
}

function newLoss(): Loss {
  return { attempts: 0, picoUsd: 0n, atMostPicoUsd: 0n }
}
