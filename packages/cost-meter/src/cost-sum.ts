/** Adds up the costs of attempts, exactly. */

import type { ReckonedCost } from './cost.ts'
import type { CostSum } from './cost-record.ts'
import { usdText } from './pricing/usd.ts'

export interface CostAdder {
  add(reckoned: ReckonedCost): void
  sum(): CostSum
}

export function costAdder(): CostAdder {
  let picoUsd = 0n
  let atMostPicoUsd = 0n
  let unpriced = 0
  return {
    add(reckoned) {
      picoUsd += BigInt(reckoned.picoUsd)
      atMostPicoUsd += BigInt(reckoned.atMostPicoUsd)
      if (!reckoned.cost.priced) unpriced++
    },
    sum: () => ({ usd: usdText(picoUsd), atMostUsd: usdText(atMostPicoUsd), unpriced }),
  }
}
