import type { BenchReport } from '../bench.ts'
import { machine } from '../machine.ts'
import { AA, type PairedResult, voidReason } from '../paired.ts'
import { relativeSpread } from '../statistics.ts'
import { table } from '../table.ts'
import type { Arm } from './cost.ts'
import type { Grade } from './grade.ts'
import type { Pricer } from './priced-by.ts'

/** At the end of the interval that is worse for us. */
const stringifyTimesAtMost = 2
const rivalTimesAtLeast = 10

type Result = PairedResult<Arm | typeof AA>

export function costReport(
  grades: Readonly<Record<Pricer, Grade>>,
  cases: { readonly all: number; readonly plain: number },
  result: Result,
): BenchReport {
  const us = (arm: Arm) => Number(result.arms[arm].median.toFixed(3))
  const wrong = (pricer: Pricer) => grades[pricer].wrong.length
  return {
    text: [
      machine(),
      gradeTable(grades, cases),
      wrongPrices(grades),
      timeTable(result),
      goalTable(grades, result),
    ].join('\n\n'),
    json: {
      usPerRecord: {
        sluice: us('sluice'),
        stringify: us('stringify'),
        genaiPrices: us('genaiPrices'),
        tokenlens: us('tokenlens'),
      },
      wrong: { sluice: wrong('sluice'), genaiPrices: wrong('genaiPrices'), tokenlens: wrong('tokenlens') },
      cases: cases.all,
    },
    voidReasons: [voidReason('time per record', result.ratio(AA, 'stringify').value) ?? []].flat(),
  }
}

function gradeTable(
  grades: Readonly<Record<Pricer, Grade>>,
  { all, plain }: { all: number; plain: number },
): string {
  return table(
    [`Prices (of ${all} cases; ${plain} can be told to the libraries)`, 'right', 'wrong', 'not claimed'],
    Object.entries(grades).map(([pricer, { right, wrong, unclaimed }]) => [
      pricer,
      String(right),
      String(wrong.length),
      String(unclaimed),
    ]),
  )
}

function wrongPrices(grades: Readonly<Record<Pricer, Grade>>): string {
  const lines = Object.entries(grades).flatMap(([pricer, { wrong }]) =>
    wrong.map((name) => `  ${pricer}: ${name}`),
  )
  return ['Wrong:', ...(lines.length > 0 ? lines : ['  none'])].join('\n')
}

function timeTable(result: Result): string {
  return table(
    ['Time per record, µs', 'median', 'x stringify', '95 %', 'spread'],
    (Object.keys(result.arms) as (Arm | typeof AA)[]).map((arm) => {
      const { value, interval } = result.ratio(arm, 'stringify')
      return [
        arm === AA ? 'A/A (stringify again)' : arm,
        result.arms[arm].median.toFixed(3),
        value.toFixed(3),
        interval.map((end) => end.toFixed(3)).join(' to '),
        `±${(relativeSpread(result.arms[arm].rounds) * 100).toFixed(0)} %`,
      ]
    }),
  )
}

function goalTable(grades: Readonly<Record<Pricer, Grade>>, result: Result): string {
  const verdict = (met: boolean) => (met ? 'met' : 'MISSED')
  const [, slowest] = result.ratio('sluice', 'stringify').interval
  const rivals = (['genaiPrices', 'tokenlens'] as const).map((rival) => {
    const [least] = result.ratio(rival, 'sluice').interval
    return [
      `${rival}, times sluice`,
      `>= ${rivalTimesAtLeast}`,
      least.toFixed(1),
      verdict(least >= rivalTimesAtLeast),
    ]
  })
  const wrong = grades.sluice.wrong.length + grades.sluice.unclaimed
  return table(
    ['Goal (worse end of the interval)', 'limit', 'seen', 'verdict'],
    [
      [
        'sluice, times stringify',
        `<= ${stringifyTimesAtMost}`,
        slowest.toFixed(2),
        verdict(slowest <= stringifyTimesAtMost),
      ],
      ...rivals,
      ['sluice, wrong or without an answer', '0', String(wrong), verdict(wrong === 0)],
    ],
  )
}
