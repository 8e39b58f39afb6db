import type { BenchReport } from '../bench.ts'
import { machine } from '../machine.ts'
import { AA, type Comparison, type PairedResult, voidReason } from '../paired.ts'
import { relativeSpread } from '../statistics.ts'
import { table } from '../table.ts'
import type { ArmName } from './arm.ts'
import { type MeasureName, measures } from './measures.ts'
import type { AnyArm, OverheadResults } from './overhead.ts'

const titles: Record<MeasureName, string> = {
  buffered: `CPU per buffered call of ${measures.buffered.maxTokens} tokens, µs`,
  token: `CPU per streamed token, in streams of ${measures.token.maxTokens} tokens, µs`,
  tokenAtOnce: 'The same when all tokens arrive at once, µs',
  firstToken: 'Time to first token, ms',
}

/** What ours must stay under, at the upper end of its interval. */
const goals: readonly { measure: MeasureName; other: ArmName; ratio?: number; addedMs?: number }[] = [
  { measure: 'buffered', other: 'sdk', ratio: 0.65 },
  { measure: 'buffered', other: 'sdkReused', ratio: 1.1 },
  { measure: 'token', other: 'sdk', ratio: 0.85 },
  { measure: 'token', other: 'sdkReused', ratio: 1.15 },
  { measure: 'firstToken', other: 'sdk', addedMs: 1 },
]

export function overheadReport(arms: readonly ArmName[], results: OverheadResults): BenchReport {
  const names = Object.keys(titles) as MeasureName[]
  const baseline = arms[0]!
  // What stands in the JSON; the table of tokens at once is for orientation.
  const judged: MeasureName[] = ['buffered', 'token', 'firstToken']
  const aaRatios = judged.map((name) => results[name].ratio(AA, baseline).value)
  const perArm = (write: (arm: ArmName) => unknown) =>
    Object.fromEntries(arms.map((arm) => [arm, write(arm)]))
  const cpu = (result: OverheadResults[MeasureName]) =>
    perArm((arm) => {
      const { value, interval } = result.ratio(arm, baseline)
      return {
        us: rounded(result.arms[arm].median, 2),
        ratio: rounded(value),
        ci: interval.map((end) => rounded(end)),
      }
    })

  return {
    text: [
      machine(),
      ...names.map((name) => measureTable(name, arms, results[name])),
      ...(['sluice', 'sluiceAll'] as const)
        .filter((arm) => arms.includes(arm))
        .map((arm) => goalTable(arm, arms, results)),
    ].join('\n\n'),
    json: {
      buffered: cpu(results.buffered),
      token: cpu(results.token),
      ttftMs: perArm((arm) => {
        const { value, interval } = results.firstToken.difference(arm, baseline)
        const ms = rounded(results.firstToken.arms[arm].median)
        return { ms, added: rounded(value), ci: interval.map((end) => rounded(end)) }
      }),
      // The worst of the measures.
      aa: rounded(aaRatios.toSorted((left, right) => Math.abs(right - 1) - Math.abs(left - 1))[0]!),
    },
    voidReasons: judged.flatMap((name, at) => voidReason(name, aaRatios[at]!) ?? []),
  }
}

function measureTable(name: MeasureName, arms: readonly ArmName[], result: PairedResult<AnyArm>): string {
  const [compared, sign] = name === 'firstToken' ? (['difference', '-'] as const) : (['ratio', 'x'] as const)
  const baseline = arms[0]!
  const others = arms.filter((arm) => arm === baseline || arm === 'sdkReused')
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

function goalTable(ours: ArmName, arms: readonly ArmName[], results: OverheadResults): string {
  const judged = goals.filter(({ other }) => arms.includes(other))
  return table(
    [`Goal for ${ours} (upper end of the interval)`, 'limit', 'seen', 'verdict'],
    judged.map(({ measure, other, ratio, addedMs }) => {
      const compared = ratio === undefined ? 'difference' : 'ratio'
      const upper = results[measure][compared](ours, other).interval[1]
      const limit = ratio ?? addedMs ?? Number.NaN
      const name = ratio === undefined ? `${measure}, ms more than ${other}` : `${measure}, times ${other}`
      return [name, limit.toFixed(2), upper.toFixed(3), upper <= limit ? 'met' : 'MISSED']
    }),
  )
}

const shown = ({ value, interval: [low, high] }: Comparison): [string, string] => [
  value.toFixed(3),
  `${low.toFixed(3)} to ${high.toFixed(3)}`,
]

const rounded = (value: number, digits = 3): number => Number(value.toFixed(digits))
