import { Metrics } from '@aws-lambda-powertools/metrics'
import { type CostMeter, costMeter } from '@sluice/cost-meter'

const metrics = new Metrics({ namespace: 'SluiceDemo', serviceName: 'demo' })

/**
 * The handler of an example with a meter around its model calls. The order of middlewares does not matter to them, so
 * that it can come last, to a handler that is finished.
 */
export function metered<Handler extends { use(middleware: CostMeter): unknown }>(handler: Handler): Handler {
  handler.use(costMeter({ metrics, tags: { pattern: process.env.PATTERN ?? '' } }))
  return handler
}
