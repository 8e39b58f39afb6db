import { bootstrapInterval, type Interval, median } from './statistics.ts'

/** Name of the A/A arm: a second copy of the baseline, which a sound run cannot tell from the first. */
export const AA = 'aa' as const

/** Where A/A must stay for a run to count. */
export const AA_LIMITS: Interval = [0.97, 1.03]

export interface PairedOptions<Arm extends string> {
  /** The first one is the baseline. */
  arms: readonly Arm[]
  rounds: number
  /**
   * How often each arm has its turn in a round; the round's figure is the mean. Short turns in quick succession meet
   * the same moods of the machine.
   *
   * @default 1
   */
  turns?: number
  /** Measures one arm for one turn; the figure is always above zero. */
  measure(arm: Arm, round: number): Promise<number>
  onRound?(round: number): void
}

export interface ArmFigures {
  /** One figure per round. */
  rounds: readonly number[]
  median: number
  medianInterval: Interval
}

export interface PairedResult<Arm extends string> {
  arms: Record<Arm, ArmFigures>
  /** Median over the rounds of `arm / other` within one round, with its 95 % interval. */
  ratio(arm: Arm, other: Arm): Comparison
  /** Median over the rounds of `arm - other` within one round, with its 95 % interval. */
  difference(arm: Arm, other: Arm): Comparison
}

export interface Comparison {
  value: number
  interval: Interval
}

/**
 * Measures all arms in every round, one after the other, and compares them inside the round: what slows the
 * machine down for some time slows all arms of a round and leaves their ratio alone.
 */
export async function paired<Arm extends string>({
  arms,
  rounds,
  turns = 1,
  measure,
  onRound,
}: PairedOptions<Arm>): Promise<PairedResult<Arm>> {
  const figures = new Map<Arm, number[]>(arms.map((arm) => [arm, []]))
  for (let round = 0; round < rounds; round++) {
    onRound?.(round)
    const sums = new Map<Arm, number>()
    for (let turn = 0; turn < turns; turn++) {
      for (const arm of roundOrder(arms, round * turns + turn)) {
        sums.set(arm, (sums.get(arm) ?? 0) + (await measure(arm, round)))
      }
    }
    for (const [arm, sum] of sums) figures.get(arm)!.push(sum / turns)
  }
  return summarize(figures)
}

/**
 * Rotates the arms by one each round, so that each is first, last and in between equally often, and turns the
 * order round once all have been first, so that none always runs in the wake of the same neighbour.
 */
export function roundOrder<Arm>(arms: readonly Arm[], round: number): Arm[] {
  const shift = round % arms.length
  const order = [...arms.slice(shift), ...arms.slice(0, shift)]
  return Math.floor(round / arms.length) % 2 === 0 ? order : order.reverse()
}

export function summarize<Arm extends string>(
  figures: ReadonlyMap<Arm, readonly number[]>,
): PairedResult<Arm> {
  const compare = (arm: Arm, other: Arm, combine: (left: number, right: number) => number): Comparison => {
    const others = figures.get(other)!
    const perRound = figures.get(arm)!.map((value, round) => combine(value, others[round]!))
    return { value: median(perRound), interval: bootstrapInterval(perRound) }
  }
  const arms = Object.fromEntries(
    [...figures].map(([arm, rounds]): [string, ArmFigures] => [
      arm,
      { rounds, median: median(rounds), medianInterval: bootstrapInterval(rounds) },
    ]),
  ) as Record<Arm, ArmFigures>
  return {
    arms,
    ratio: (arm, other) => compare(arm, other, (left, right) => left / right),
    difference: (arm, other) => compare(arm, other, (left, right) => left - right),
  }
}

/** Why a run does not count, or `undefined` when it does. */
export function voidReason(name: string, aaRatio: number): string | undefined {
  const [low, high] = AA_LIMITS
  if (aaRatio >= low && aaRatio <= high) return undefined
  return (
    `${name}: two copies of the same arm differ by a factor of ${aaRatio.toFixed(3)}, outside ${low}-${high}; ` +
    'the machine is too busy to compare anything. Run again when it is quiet.'
  )
}
