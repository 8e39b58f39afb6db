import type { BenchReport } from '../bench.ts'
import { machine } from '../machine.ts'
import { AA, type Comparison, type PairedResult, voidReason } from '../paired.ts'
import { relativeSpread } from '../statistics.ts'
import { table } from '../table.ts'
import type { StreamArm } from './arm.ts'
import type { AnyArm, MeasureName, StreamResults } from './stream.ts'

const titles: Record<MeasureName, string> = {
  token: 'CPU of the function per streamed token, µs',
  firstByte: 'Time to the first byte at the client, ms',
}

/** What ours must stay under, at the upper end of its interval. */
const goals: readonly { measure: MeasureName; other: StreamArm; limit: number }[] = [
  { measure: 'token', other: 'handWritten', limit: 1 },
  { measure: 'token', other: 'handWrittenReused', limit: 1.15 },
  { measure: 'token', other: 'aiSdk', limit: 0.4 },
  { measure: 'firstByte', other: 'handWritten', limit: 1 },
]

export function streamReport(arms: readonly StreamArm[], results: StreamResults): BenchReport {
  const baseline = arms[0]!
  const { token, firstByte } = results
  const aaRatios = Object.values(results).map((result) => result.ratio(AA, baseline).value)
  const perArm = (write: (arm: StreamArm) => unknown) =>
    Object.fromEntries(arms.map((arm) => [arm, write(arm)]))

  return {
    text: [
      machine(),
      measureTable('token', arms, token),
      measureTable('firstByte', arms, firstByte),
      ...(arms.includes('sluice') ? [goalTable(arms, results)] : []),
    ].join('\n\n'),
    json: {
      cpuPerTokenUs: perArm((arm) => {
        const { value, interval } = token.ratio(arm, baseline)
        return { us: rounded(token.arms[arm].median), ratio: rounded(value), ci: interval.map(rounded) }
      }),
      ttfbMs: perArm((arm) => {
        const { median, medianInterval } = firstByte.arms[arm]
        return { ms: rounded(median), ci: medianInterval.map(rounded) }
      }),
      // The worst of the measures.
      aa: rounded(aaRatios.toSorted((left, right) => Math.abs(right - 1) - Math.abs(left - 1))[0]!),
    },
    voidReasons: (Object.keys(results) as MeasureName[]).flatMap(
      (name, at) => voidReason(name, aaRatios[at]!) ?? [],
    ),
  }
}

function measureTable(name: MeasureName, arms: readonly StreamArm[], result: PairedResult<AnyArm>): string {
  const [compared, sign] = name === 'firstByte' ? (['difference', '-'] as const) : (['ratio', 'x'] as const)
  const baseline = arms[0]!
  const others = arms.filter((arm) => arm === baseline || arm === 'handWrittenReused')
  return table(
    [titles[name], 'median', ...others.flatMap((other) => [`${sign} ${other}`, '95 %']), 'spread'],
    [...arms, AA].map((arm) => [
      arm === AA ? `A/A (${baseline} again)` : arm,
      result.arms[arm].median.toFixed(2),
      ...others.flatMap((other) => shown(result[compared](arm, other))),
      `±${(relativeSpread(result.arms[arm].rounds) * 100).toFixed(0)} %`,
    ]),
  )
}

function goalTable(arms: readonly StreamArm[], results: StreamResults): string {
  return table(
    ['Goal for sluice (upper end of the interval)', 'limit', 'seen', 'verdict'],
    goals
      .filter(({ other }) => arms.includes(other))
      .map(({ measure, other, limit }) => {
        const [compared, words] =
          measure === 'token' ? (['ratio', 'times'] as const) : (['difference', 'ms more than'] as const)
        const upper = results[measure][compared]('sluice', other).interval[1]
        return [
          `${measure}, ${words} ${other}`,
          limit.toFixed(2),
          upper.toFixed(3),
          upper <= limit ? 'met' : 'MISSED',
        ]
      }),
  )
}

const shown = ({ value, interval: [low, high] }: Comparison): [string, string] => [
  value.toFixed(3),
  `${low.toFixed(3)} to ${high.toFixed(3)}`,
]

const rounded = (value: number): number => Number(value.toFixed(3))
