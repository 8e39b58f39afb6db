/** The middleware that turns the usage of model calls into money. */

import type middy from '@middy/core'
import { type Clock, type MiddyHooks, type Scope, scopeHooks, systemClock } from '@sluice/core'
import type { Context } from 'aws-lambda'
import { type InvocationCost, meterInvocation } from './invocation-cost.ts'
import type { LambdaRates } from './pricing/lambda-price.ts'
import type { PriceBook } from './pricing/price-book.ts'
import { publicPrices } from './public-prices.ts'
import { type CostSink, safely } from './sinks/cost-sink.ts'
import { type PowertoolsLogger, toLogger } from './sinks/logger.ts'
import { checkDimensions, type PowertoolsMetrics, toMetrics } from './sinks/metrics.ts'

export interface CostMeterOptions<Event = unknown> {
  /**
   * Powertools' `Metrics`, the one that you use yourself: the meter makes an instance of its own from it, with the same
   * namespace and default dimensions, and publishes a line for each record at once.
   */
  readonly metrics?: PowertoolsMetrics
  /**
   * By what the metrics are told apart: `model`, `provider`, `operation`, `tenant`, or the name of a tag. Every
   * combination of values is a metric that CloudWatch bills; all else is in each line as well, and costs nothing.
   *
   * @default ['model']
   */
  readonly dimensions?: readonly string[]
  /** Powertools' `Logger`: a line for each record, without any payload. */
  readonly logger?: PowertoolsLogger
  /** Whoever else wants the records: a function, or `openTelemetrySink()`. One that fails disturbs nobody. */
  readonly sinks?: readonly CostSink[]
  /** Whose invocation it is. It goes to the records, to Bedrock as `requestMetadata`, and to quotas. Default: Lambda's own tenant. */
  readonly tenant?: (event: Event, context: Context) => string | undefined
  /** What else to tell costs apart by, such as the feature. They take the same ways as the tenant. Default: none. */
  readonly tags?:
    | Readonly<Record<string, string>>
    | ((event: Event, context: Context) => Readonly<Record<string, string>>)
  /** What tokens cost. Default: `priceBook()`, the public prices of Bedrock. */
  readonly prices?: PriceBook
  /**
   * The Region whose prices hold.
   *
   * @default process.env.AWS_REGION
   */
  readonly region?: string | undefined
  /** What Lambda itself costs you. Default: its list price, which is known for `us-east-1` and `us-east-2`. */
  readonly lambdaRates?: LambdaRates
  /**
   * How long the invocation waits for a sink that has returned a promise, in milliseconds.
   *
   * @default 1000
   */
  readonly sinkTimeoutMs?: number
  readonly clock?: Clock
}

export interface CostMeter<Event = unknown>
  extends middy.MiddlewareObj<Event, unknown, Error, Context & { cost: InvocationCost }> {
  /** Meters a scope without Middy. Call it before the first model call. */
  watch(scope: Scope): InvocationCost
}

/**
 * Meters every model call of an invocation, through guarded clients and `modelInvocation()` alike: a record when an
 * attempt ends, also one that was aborted, timed out or cut; one for each call, and one for the invocation. The handler
 * finds the sum so far as `cost` on its context.
 *
 * A model without a price is `unpriced`: warned about once, counted in a metric, never 0.
 *
 * @throws TypeError when an option cannot be right
 *
 * @example
 * ```ts
 * import { Metrics } from '@aws-lambda-powertools/metrics'
 * import middy from '@middy/core'
 * import { costMeter } from '@sluice/cost-meter'
 * import { modelInvocation } from '@sluice/model-invocation'
 * import { bedrock } from '@sluice/model-invocation/bedrock'
 *
 * const metrics = new Metrics({ namespace: 'Shop', serviceName: 'triage' })
 *
 * export const handler = middy<{ text: string }>()
 *   .use(costMeter({ metrics, tags: { feature: 'triage' } }))
 *   .use(modelInvocation({ model: bedrock('us.amazon.nova-lite-v1:0', { maxTokens: 20 }) }))
 *   .handler(async ({ text }, { model, cost }) => {
 *     const { text: label } = await model.invoke(`Question, complaint or praise? ${text}`)
 *     await cost.settled()
 *     return { label, costUsd: cost.costUsd }
 *   })
 * ```
 */
export function costMeter<Event = unknown>({
  metrics,
  dimensions = ['model'],
  logger,
  sinks = [],
  tenant,
  tags = {},
  prices = publicPrices(),
  region = process.env.AWS_REGION,
  lambdaRates,
  sinkTimeoutMs = 1_000,
  clock = systemClock,
}: CostMeterOptions<Event> = {}): CostMeter<Event> {
  checkDimensions(dimensions)
  for (const sink of sinks) {
    if (typeof sink !== 'function') {
      throw new TypeError(`costMeter: sinks has ${typeof sink}. Give functions that take a record.`)
    }
  }
  if (!(sinkTimeoutMs >= 0)) {
    throw new TypeError(`costMeter: sinkTimeoutMs is ${String(sinkTimeoutMs)}. Give a number from 0.`)
  }
  const all: CostSink[] = [...sinks]
  if (metrics) all.push(toMetrics(metrics, dimensions))
  if (logger) all.push(toLogger(logger))
  const emit = safely(all, sinkTimeoutMs, clock)
  const meter = { prices, region, lambdaRates, warned: new Set<string>(), emit }

  const hooks: MiddyHooks = scopeHooks({
    name: 'costMeter',
    clock,
    enter(scope, { event, context }) {
      const lambda = context as Context
      const given = typeof tags === 'function' ? tags(event as Event, lambda) : tags
      scope.tenant = tenant?.(event as Event, lambda) ?? scope.tenant
      scope.tags = { ...scope.tags, ...given }
      Object.assign(context, { cost: meterInvocation(meter, scope, memoryOf(lambda)) })
    },
  })
  return { ...hooks, watch: (scope: Scope) => meterInvocation(meter, scope) } as CostMeter<Event>
}

function memoryOf({ memoryLimitInMB }: Partial<Context>): number | undefined {
  return memoryLimitInMB === undefined ? undefined : Number(memoryLimitInMB)
}
