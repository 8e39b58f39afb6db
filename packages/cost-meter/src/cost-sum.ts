/** Adds up the costs of attempts, exactly. */

import type { Cost } from './cost.ts'
import type { CostSum } from './cost-record.ts'
import { picoUsdOf, usdText } from './pricing/usd.ts'

/** Picodollars of one attempt; undefined where it has no price. */
export type CostAmounts = { readonly picoUsd: bigint; readonly atMostPicoUsd: bigint } | undefined

export interface CostAdder {
  add(amounts: CostAmounts): void
  sum(): CostSum
}

export function amountsOf(cost: Cost): CostAmounts {
  if (!cost.priced) return undefined
  const picoUsd = picoUsdOf(cost.usd)
  return { picoUsd, atMostPicoUsd: cost.atMostUsd === undefined ? picoUsd : picoUsdOf(cost.atMostUsd) }
}

export function costAdder(): CostAdder {
  let picoUsd = 0n
  let atMostPicoUsd = 0n
  let unpriced = 0
  return {
    add(amounts) {
      if (amounts) {
        picoUsd += amounts.picoUsd
        atMostPicoUsd += amounts.atMostPicoUsd
      } else {
        unpriced++
      }
    },
    sum: () => ({ usd: usdText(picoUsd), atMostUsd: usdText(atMostPicoUsd), unpriced }),
  }
}
