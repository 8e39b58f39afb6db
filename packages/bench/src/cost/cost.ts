import type { Bench } from '../bench.ts'
import { AA, paired } from '../paired.ts'
import { type Grade, grade, isPlain, truthCases } from './grade.ts'
import { type Pricer, type Pricers, pricers } from './priced-by.ts'
import { type CostedRecord, makeRecords } from './records.ts'
import { costReport } from './report.ts'

export type Arm = 'stringify' | Pricer

/** Few enough to stay in the processor's cache, as a record does that has just been made. */
const distinctRecords = 200

/** Of some ten milliseconds each, so that all arms meet the same moods of the machine. */
const turnsPerRound = 8

export const cost: Bench = {
  summary: 'prices against the truth file, and time per record beside JSON.stringify and two libraries',
  async run({ rounds, quick, progress }) {
    const by = await pricers()
    const cases = truthCases()
    const plain = cases.filter(isPlain)
    const grades: Record<Pricer, Grade> = {
      sluice: grade(cases, by.sluice),
      genaiPrices: grade(plain, by.genaiPrices),
      tokenlens: grade(plain, by.tokenlens),
    }
    const records = makeRecords(distinctRecords)
    checkAgreement(records, by)
    const works: Record<Arm, (record: CostedRecord) => unknown> = { stringify: JSON.stringify, ...by }
    const perTurn = Math.ceil((quick ? 50_000 : 1_000_000) / rounds / turnsPerRound)
    const measure = (arm: Arm | typeof AA) =>
      usPerRecord(works[arm === AA ? 'stringify' : arm], records, perTurn)
    // Once each without counting: what the compiler does is done by then.
    for (const arm of Object.keys(works) as Arm[]) usPerRecord(works[arm], records, 30_000)
    const result = await paired<Arm | typeof AA>({
      arms: ['stringify', 'sluice', 'genaiPrices', 'tokenlens', AA],
      rounds,
      turns: turnsPerRound,
      measure: async (arm) => measure(arm),
      onRound: (round) => {
        if (round % 5 === 0)
          progress(`round ${round + 1} of ${rounds}, ${perTurn * turnsPerRound} records each`)
      },
    })
    return costReport(grades, { all: cases.length, plain: plain.length }, result)
  },
}

/** What prices nothing is fast: all must price all records, and alike. */
export function checkAgreement(records: readonly CostedRecord[], by: Pricers): void {
  for (const record of records) {
    const exact = Number(by.sluice(record))
    for (const [name, pricer] of Object.entries(by)) {
      const answer = Number(pricer(record))
      if (!(exact > 0 && Math.abs(answer - exact) <= exact * 1e-9)) {
        throw new Error(`${name} gives ${answer} for ${record.modelId} (${record.callId}), not ${exact}.`)
      }
    }
  }
}

function usPerRecord(
  work: (record: CostedRecord) => unknown,
  records: readonly CostedRecord[],
  count: number,
): number {
  let kept: unknown
  const startedAt = performance.now()
  for (let index = 0; index < count; index++) kept = work(records[index % records.length]!)
  const elapsedMs = performance.now() - startedAt
  // Read, so that no compiler drops the work.
  if (kept === undefined) throw new Error('The last record was not priced.')
  return (elapsedMs * 1_000) / count
}
