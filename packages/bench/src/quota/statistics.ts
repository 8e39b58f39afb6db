/** Bounds and shares. */

/** The upper end of the 95 % Wilson interval of a share: what it may be, as far as these trials tell. */
export function upper95(hits: number, trials: number): number {
  if (trials === 0) return 1
  const z = 1.96
  const share = hits / trials
  const center = share + z ** 2 / (2 * trials)
  const half = z * Math.sqrt((share * (1 - share)) / trials + z ** 2 / (4 * trials ** 2))
  return Math.min(1, (center + half) / (1 + z ** 2 / trials))
}

/** Everyone gets what they ask for, up to a level that is the same for all who ask for more. */
export function maxMinShares(demands: readonly number[], capacity: number): number[] {
  const shares = demands.map(() => 0)
  const byDemand = demands.map((_, index) => index).sort((a, b) => demands[a]! - demands[b]!)
  let left = capacity
  byDemand.forEach((index, rank) => {
    const share = Math.min(demands[index]!, left / (demands.length - rank))
    shares[index] = share
    left -= share
  })
  return shares
}

/** Jain's index: 1 when all are alike, one nth when one of n has all. */
export function jain(values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0)
  const squares = values.reduce((total, value) => total + value ** 2, 0)
  return squares === 0 ? 1 : sum ** 2 / (values.length * squares)
}

/** The value below which `share` of the values lie; 0 of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
}
