/** Which functions there are for the scenarios. */

import { modes } from './cell.ts'
import type { LanePlan } from './cloud.ts'
import type { Scenario } from './scenario.ts'

/** Scenarios and functions that have the same place belong together. */
export function placeOf({ mode, place }: Pick<Scenario, 'mode' | 'place'>): string {
  return `${mode}, ${place}`
}

/** Those with little time have to wait for its end, so there are more of them. */
const lanes = { quick: 3, roomy: 1 } as const

export const matrixPlans: readonly LanePlan[] = [
  { mode: 'streamed', place: 'bounded', lanes: 1 },
  ...modes.flatMap((mode) =>
    (['quick', 'roomy'] as const).flatMap((place) =>
      Array.from({ length: lanes[place] }, (): LanePlan => ({ mode, place, lanes: 1 })),
    ),
  ),
]
