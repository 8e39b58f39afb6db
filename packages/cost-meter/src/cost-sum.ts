/** Adds up the costs of attempts, exactly. */

import type { Cost } from './cost.ts'
import type { CostSum } from './cost-record.ts'
import { picoUsdOf, usdText } from './pricing/usd.ts'

export interface CostAdder {
  add(cost: Cost): void
  sum(): CostSum
}

export function costAdder(): CostAdder {
  let picoUsd = 0n
  let atMostPicoUsd = 0n
  let unpriced = 0
  return {
    add(cost) {
      if (cost.priced) {
        const known = picoUsdOf(cost.usd)
        picoUsd += known
        atMostPicoUsd += cost.atMostUsd === undefined ? known : picoUsdOf(cost.atMostUsd)
      } else {
        unpriced++
      }
    },
    sum: () => ({ usd: usdText(picoUsd), atMostUsd: usdText(atMostPicoUsd), unpriced }),
  }
}
