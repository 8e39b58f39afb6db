/** What `costMeter()` has written to the logs, in the format of CloudWatch's embedded metrics. */
import {
  type AttemptCostRecord,
  type CallCostRecord,
  type CostRecord,
  picoUsdOf,
  usdText,
} from '@sluice/cost-meter'

export interface MeteredRecords {
  readonly attempts: readonly AttemptCostRecord[]
  readonly calls: readonly CallCostRecord[]
  /** What the attempts that have a price came to, in exact decimal text. */
  readonly usd: string
}

export function meteredRecords(lines: readonly string[]): MeteredRecords {
  const records = lines.flatMap((line): CostRecord[] => {
    const [json] = line.match(/\{"_aws".*"sluice":\{.*\}$/) ?? []
    return json === undefined ? [] : [(JSON.parse(json) as { readonly sluice: CostRecord }).sluice]
  })
  const attempts = records.filter((record) => record.kind === 'attempt')
  const costs = attempts.map(({ cost }) => (cost.priced ? picoUsdOf(cost.usd) : 0n))
  return {
    attempts,
    usd: usdText(costs.reduce((sum, cost) => sum + cost, 0n)),
    calls: records.filter((record) => record.kind === 'call'),
  }
}
