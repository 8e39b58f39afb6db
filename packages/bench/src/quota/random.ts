/** Numbers that are the same for the same seed. */

import { seededRandom } from 'sluice/local'

export interface Random {
  /** In [0, 1). */
  next(): number
  chance(probability: number): boolean
  /** Around `median`; two thirds lie within a factor of e to the `spread`. */
  logNormal(median: number, spread: number): number
  exponential(mean: number): number
}

export function randomOf(seed: number): Random {
  const next = seededRandom(seed)
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
  return {
    next,
    chance: (probability) => next() < probability,
    logNormal: (median, spread) => median * Math.exp(spread * normal()),
    exponential: (mean) => -mean * Math.log(1 - next()),
  }
}
