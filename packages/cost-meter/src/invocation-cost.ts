/** One invocation under the meter: its policies, its records, and the sum on the context. */

import {
  type Attempt,
  addUsage,
  attemptRecord,
  type Call,
  type CallOutcome,
  callRecord,
  type ModelRequest,
  noUsage,
  type Outcome,
  type Scope,
} from '@sluice/core'
import { type Cost, reckonedCost } from './cost.ts'
import type { CostRecord, InvocationTotals } from './cost-record.ts'
import { type CostAdder, costAdder } from './cost-sum.ts'
import { type LambdaMeter, lambdaMeter } from './lambda-meter.ts'
import type { Catalogue } from './pricing/catalogue.ts'
import type { LambdaRates } from './pricing/lambda-price.ts'
import type { PriceBook } from './pricing/price-book.ts'

/** What an invocation has cost so far. Each property is as of the moment that it is read. */
export interface InvocationCost extends InvocationTotals {
  /** Of the attempts that have a price, in exact decimal text. */
  readonly costUsd: string
  /** The same with the upper bound of each attempt whose usage is estimated. */
  readonly atMostUsd: string
  /** Attempts without a price, which are not in the sum. */
  readonly unpriced: number
  /** Resolves when all attempts that have ended have been priced: only the first of a sandbox have to wait for prices. */
  settled(): Promise<void>
}

/** What is the same for all invocations of a meter. */
export interface Meter {
  readonly prices: PriceBook
  readonly region: string | undefined
  readonly lambdaRates: LambdaRates | undefined
  /** Models that have been warned about. */
  readonly warned: Set<string>
  emit(record: CostRecord, scope: Scope): void
}

/** A call that is open, or whose attempts are being priced. */
interface Ledger {
  readonly costs: CostAdder
  sent: number
  readonly pricing: Promise<void>[]
}

const lambdaMeterKey = Symbol('lambdaMeter')

type OpenCost = { -readonly [Name in keyof InvocationCost]: InvocationCost[Name] } & {
  readonly [lambdaMeterKey]: LambdaMeter
}

/** Of all invocations: with an accessor of its own, each would be of a shape of its own to the engine. */
const lambdaSoFar: PropertyDescriptor & ThisType<OpenCost> = {
  enumerable: true,
  get() {
    return this[lambdaMeterKey].soFar()
  },
}

export function meterInvocation(meter: Meter, scope: Scope, memoryMb?: number): InvocationCost {
  const { clock } = scope
  const startedAtMs = clock.now()
  const ledgers = new Map<string, Ledger>()
  /** Attempts that wait for prices, and what to do should the scope end before. */
  const waiting = new Map<Promise<void>, () => void>()
  const lambda = lambdaMeter(clock, meter.region, meter.lambdaRates, memoryMb)
  const costs = costAdder()
  const totals = {
    costUsd: '0',
    atMostUsd: '0',
    unpriced: 0,
    usage: noUsage,
    attempts: 0,
    calls: 0,
    cached: 0,
    shed: 0,
    [lambdaMeterKey]: lambda,
    async settled() {
      await Promise.all(waiting.keys())
    },
  } as OpenCost
  Object.defineProperty(totals, 'lambda', lambdaSoFar)

  /** Hands over the catalogue: at once where it is there, else a promise. */
  function withPrices(
    { modelId }: ModelRequest,
    price: (catalogue: Catalogue | undefined) => void,
  ): Promise<void> | undefined {
    const catalogue = meter.prices.open(modelId)
    if (!(catalogue instanceof Promise)) {
      price(catalogue)
      return undefined
    }
    const { promise: pricing, resolve: priced } = Promise.withResolvers<void>()
    const once = (found?: Catalogue) => {
      if (!waiting.delete(pricing)) return
      price(found)
      priced()
    }
    waiting.set(pricing, once)
    catalogue.then(once, () => once())
    return pricing
  }

  function attemptEnded(attempt: Attempt, call: Call, outcome: Outcome): Promise<void> | undefined {
    if (!outcome.sent) return undefined
    const ledger = ledgers.get(call.id)
    const { request } = attempt
    const record = attemptRecord(call, attempt, outcome)
    totals.attempts++
    totals.usage = addUsage(totals.usage, outcome.usage)
    const pricing = withPrices(request, (catalogue) => {
      const at = { atMs: attempt.startedAtMs, region: meter.region }
      const reckoned = reckonedCost(request, outcome, at, catalogue)
      const { cost } = reckoned
      costs.add(reckoned)
      ledger?.costs.add(reckoned)
      const { usd, atMostUsd, unpriced } = costs.sum()
      totals.costUsd = usd
      totals.atMostUsd = atMostUsd
      totals.unpriced = unpriced
      if (!cost.priced) warnOnce(meter, request, cost.reason)
      meter.emit({ kind: 'attempt', ...record, region: meter.region, cost }, call.scope)
    })
    if (ledger) ledger.sent++
    if (pricing) ledger?.pricing.push(pricing)
    return pricing
  }

  function callEnded(call: Call, outcome: CallOutcome, { costs, sent, pricing }: Ledger): void {
    lambda.callEnded()
    ledgers.delete(call.id)
    const shed = sent === 0 && shedCodes.has((outcome.error as { readonly code?: string })?.code ?? '')
    totals.calls++
    if (outcome.cached) totals.cached++
    if (shed) totals.shed++
    const record = callRecord(call, outcome)
    const emit = () => {
      meter.emit({ kind: 'call', ...record, sent, shed, cost: costs.sum() }, call.scope)
    }
    if (pricing.length === 0) emit()
    else call.scope.hold(Promise.all(pricing).then(emit))
  }

  scope.use({
    name: 'costMeterOfCalls',
    stage: 'deadline',
    wrap: (next) =>
      function costMeterOfCalls(request, context) {
        const { call } = context
        const ledger: Ledger = { costs: costAdder(), sent: 0, pricing: [] }
        ledgers.set(call.id, ledger)
        lambda.callStarted()
        call.onEnd((outcome) => callEnded(call, outcome, ledger))
        return next(request, context)
      },
  })
  scope.use({
    name: 'costMeter',
    stage: 'meter',
    wrap: (next) =>
      function costMeter(request, context) {
        const { attempt, call } = context
        attempt.onEnd((outcome) => attemptEnded(attempt, call, outcome))
        return next(request, context)
      },
  })
  scope.onEnd(() => {
    for (const giveUp of waiting.values()) giveUp()
    const { id: scopeId, requestId, tenant, tags } = scope
    const { costUsd: usd, atMostUsd, unpriced, usage, attempts, calls, cached, shed } = totals
    const origin = { scopeId, requestId, tenant, tags, startedAtMs }
    const cost = { usd, atMostUsd, unpriced }
    const sums = { usage, attempts, calls, cached, shed, cost, lambda: lambda.soFar() }
    meter.emit({ kind: 'invocation', ...origin, ...sums }, scope)
  })

  return totals
}

/** Refusals of our own: nothing was sent, because it would have been too much. */
const shedCodes = new Set(['quota_exceeded', 'budget_exceeded'])

/** Ids can come from users. */
const maxWarned = 1_000

function warnOnce(
  { warned, region }: Meter,
  { modelId }: ModelRequest,
  reason: (Cost & { priced: false })['reason'],
) {
  if (warned.has(modelId) || warned.size >= maxWarned) return
  warned.add(modelId)
  process.emitWarning(
    `costMeter: "${modelId}" has no price (${reason}${region ? `, ${region}` : ''}). Its cost is unknown, and in no sum. ` +
      'Give priceBook() a price in `overrides`, or what stands behind it in `profiles`.',
    'SluiceWarning',
  )
}
