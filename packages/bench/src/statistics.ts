/** A pair of ends: [low, high]. */
export type Interval = readonly [low: number, high: number]

/** Middle value; the mean of the two middle ones when their number is even. */
export function median(values: readonly number[]): number {
  return medianOfSorted(Float64Array.from(values).sort())
}

export interface BootstrapOptions {
  /** The same seed gives the same interval. */
  seed?: number
  resamples?: number
  /** Share of the resampled medians inside the interval. */
  confidence?: number
}

/**
 * Percentile bootstrap interval of the median. Makes no assumption about the shape of the noise, which on a
 * shared machine is anything but normal.
 */
export function bootstrapInterval(
  values: readonly number[],
  { seed = 1, resamples = 2_000, confidence = 0.95 }: BootstrapOptions = {},
): Interval {
  const random = seededRandom(seed)
  const sample = new Float64Array(values.length)
  const medians = Float64Array.from({ length: resamples }, () => {
    for (let at = 0; at < sample.length; at++) sample[at] = values[Math.floor(random() * values.length)]!
    return medianOfSorted(sample.sort())
  }).sort()
  const tail = (1 - confidence) / 2
  return [quantileOfSorted(medians, tail), quantileOfSorted(medians, 1 - tail)]
}

/** Half the distance between the quartiles, as a share of the median: how much single rounds scatter. */
export function relativeSpread(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort()
  return (quantileOfSorted(sorted, 0.75) - quantileOfSorted(sorted, 0.25)) / 2 / medianOfSorted(sorted)
}

function medianOfSorted(sorted: Float64Array): number {
  if (sorted.length === 0) throw new RangeError('A median needs at least one value.')
  const middle = sorted.length >> 1
  const upper = sorted[middle]!
  return sorted.length % 2 === 1 ? upper : (sorted[middle - 1]! + upper) / 2
}

function quantileOfSorted(sorted: Float64Array, share: number): number {
  return sorted[Math.round(share * (sorted.length - 1))]!
}

/** Mulberry32: small, fast, and good enough to choose rounds with. */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
