/** Middy middleware that turns the usage of model calls into money, and keeps budgets. */

export { type BudgetOptions, budget } from './budget/budget.ts'
export { BudgetExceededError, type BudgetReason } from './budget/budget-exceeded-error.ts'
export type { BudgetAmount, BudgetLimit } from './budget/limit.ts'
export type { BudgetMode, BudgetModeReader } from './budget/mode.ts'
export type { BudgetPeriod } from './budget/period.ts'
export type { BudgetRecord } from './budget/record.ts'
export {
  type Cost,
  costOf,
  type PricedAt,
  type PricedCost,
  type UnpricedCost,
  worstCaseOf,
} from './cost.ts'
export { type CostMeter, type CostMeterOptions, costMeter } from './cost-meter.ts'
export type {
  AttemptCostRecord,
  CallCostRecord,
  CostRecord,
  CostSum,
  InvocationCostRecord,
  InvocationTotals,
  LambdaCost,
} from './cost-record.ts'
export type { InvocationCost } from './invocation-cost.ts'
export type { Catalogue, CatalogueData, ModelPrices, TieredRates } from './pricing/catalogue.ts'
export {
  type LambdaPrice,
  type LambdaPriceable,
  type LambdaRates,
  lambdaPriceOf,
} from './pricing/lambda-price.ts'
export {
  type CostParts,
  type Price,
  type Priceable,
  type Priced,
  priceOf,
  type Unpriced,
  type UnpricedReason,
} from './pricing/price.ts'
export {
  type PriceBook,
  type PriceBookOptions,
  type ProfileResolver,
  priceBook,
} from './pricing/price-book.ts'
export type { Rates } from './pricing/rates.ts'
export { picoUsdOf, usdText } from './pricing/usd.ts'
export type { CostSink } from './sinks/cost-sink.ts'
export type { PowertoolsLogger } from './sinks/logger.ts'
export type { PowertoolsMetrics } from './sinks/metrics.ts'
export {
  type OpenTelemetryMeter,
  type OpenTelemetrySinkOptions,
  type OpenTelemetryTracer,
  openTelemetrySink,
} from './sinks/open-telemetry.ts'
