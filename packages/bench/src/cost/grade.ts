import { readFileSync } from 'node:fs'
import type { Priceable } from '@sluice/cost-meter'
import type { Answer } from './priced-by.ts'

/** A line of the truth file of `@sluice/cost-meter`. */
export interface TruthCase extends Omit<Priceable, 'provider' | 'atMs'> {
  readonly name: string
  readonly at: string
  /** Exact decimal text. Absent where no price is the right answer. */
  readonly usd?: string
  readonly unpriced?: string
}

export interface Grade {
  readonly right: number
  /** Names of the cases answered with a wrong price. */
  readonly wrong: readonly string[]
  /** Priced cases to which it gave no answer: it does not claim them. */
  readonly unclaimed: number
}

export function truthCases(): TruthCase[] {
  const file = new URL('../../../cost-meter/truth/bedrock-cases.jsonl', import.meta.url)
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as TruthCase)
}

/** Whether a library that is told model, tokens and day is told enough: no tier, batch, latency, image or Region. */
export function isPlain({ serviceTier, latency, batch, images, unpriced }: TruthCase): boolean {
  return !serviceTier && !latency && !batch && !images && unpriced !== 'unknown_region'
}

export function grade(cases: readonly TruthCase[], pricer: (item: Priceable) => Answer): Grade {
  const wrong: string[] = []
  let right = 0
  let unclaimed = 0
  for (const each of cases) {
    const answer = pricer({ ...each, provider: 'bedrock', atMs: Date.parse(each.at) })
    if (answer === undefined && each.usd !== undefined) unclaimed += 1
    else if (isRight(answer, each.usd)) right += 1
    else wrong.push(each.name)
  }
  return { right, wrong, unclaimed }
}

/** Text must be exact. A float may be off by what floats are off by: 1e-9 of it. */
function isRight(answer: Answer, usd: string | undefined): boolean {
  if (answer === undefined || usd === undefined) return answer === usd
  if (typeof answer === 'string') return answer === usd
  return Math.abs(answer - Number(usd)) <= Math.abs(Number(usd)) * 1e-9
}
