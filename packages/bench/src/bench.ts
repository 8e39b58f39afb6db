import type { ParseArgsConfig } from 'node:util'

export interface BenchOptions {
  rounds: number
  /** Fewer, smaller rounds: shows that the bench works, measures nothing. */
  quick: boolean
  /** Without TLS, where a bench has it. */
  plain: boolean
  /** Only these arms, beside the baseline; all when left out. */
  arms?: readonly string[]
  /** Of the bench's own options, those that were given. */
  values?: Readonly<Record<string, unknown>>
  /** One line of progress for a human. */
  progress(line: string): void
}

export interface BenchReport {
  /** For a human, several lines. */
  text: string
  /** For a machine, written as one line. */
  json: unknown
  /** Why the run does not count; empty when it does. */
  voidReasons: readonly string[]
}

export interface Bench {
  /** One line for `--help`. */
  summary: string
  /** Options of its own, as `parseArgs` takes them. */
  options?: NonNullable<ParseArgsConfig['options']>
  /** What they are, for `--help`. */
  usage?: string
  run(options: BenchOptions): Promise<BenchReport>
}

/** Checks `--arms` against the arms that exist; the baseline is always kept, and first. */
export function chooseArms<Arm extends string>(known: readonly Arm[], wanted?: readonly string[]): Arm[] {
  for (const name of wanted ?? []) {
    if (!known.some((arm) => arm === name)) {
      throw new UsageError(`--arms: there is no arm "${name}"; choose from ${known.join(', ')}.`)
    }
  }
  return known.filter((arm, index) => index === 0 || wanted === undefined || wanted.includes(arm))
}

/** The command line is wrong, and the message says how to mend it. */
export class UsageError extends Error {
  override name = 'UsageError'
}
