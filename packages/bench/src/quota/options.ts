/** The command line of `pnpm bench quota`. */

import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import type { BenchOptions } from '../bench.ts'
import { UsageError } from '../bench.ts'
import { isPolicyName, type PolicyName, policyModules } from './policy.ts'
import type { Settings, StoreKind, Wrong } from './settings.ts'
import { readTrace, type TracedRequest } from './trace.ts'

export const quotaOptions = {
  load: { type: 'string' },
  sandboxes: { type: 'string' },
  workers: { type: 'string' },
  store: { type: 'string' },
  policy: { type: 'string', multiple: true },
  trace: { type: 'string' },
  calls: { type: 'string' },
  'tokens-per-minute': { type: 'string' },
  burst: { type: 'string' },
  'max-tokens': { type: 'string' },
  deadline: { type: 'string' },
  compress: { type: 'string' },
  tenants: { type: 'string' },
  hog: { type: 'string' },
  wrong: { type: 'string' },
  kill: { type: 'string' },
  seed: { type: 'string' },
  plot: { type: 'string' },
} as const

export const quotaUsage = `  quota:
  --policy A,B        ${Object.keys(policyModules).join(', ')} (sluice,sdk-standard)
  --load L            demand as a part of the refill (1.2)
  --store NAME        memory (one process), redis or dynamodb (redis)
  --sandboxes N       calls at a time (300)
  --workers N         processes that hold the sandboxes, at most 4 (the number of cores)
  --trace FILE.csv    TIMESTAMP,ContextTokens,GeneratedTokens (bursty Poisson arrivals)
  --calls N           calls that arrive (enough for 20,000 attempts)
  --tokens-per-minute N  the quota (2000000)
  --burst S           seconds of refill that the quota holds at once (60; 15 with --quick)
  --max-tokens N      of each call (4096)
  --deadline S        seconds from the arrival of a call (60)
  --compress N        seconds that pass in one, at most 10 (10)
  --tenants N         who share the quota (10)
  --hog PART          the part of the demand that is the first tenant's (as all others)
  --wrong WHAT        what the throttle is not told: burst, burndown or foreign
  --kill PART         of the calls lose their sandbox while they are answered (0)
  --seed N            of arrivals and sizes (1)
  --plot FILE.svg     demand, admissions and 429s over time`

export interface QuotaBenchOptions {
  readonly settings: Omit<Settings, 'compression'>
  readonly factor: number
  readonly policies: readonly PolicyName[]
  readonly trace: readonly TracedRequest[] | undefined
  readonly plot: string | undefined
}

/** @throws UsageError naming the option */
export function readOptions({
  values = {},
  quick,
}: Pick<BenchOptions, 'values' | 'quick'>): QuotaBenchOptions {
  const text = (name: string) => values[name] as string | undefined
  const number = (name: string, fallback: number, least: number, most = Infinity): number => {
    const value = Number(text(name) ?? fallback)
    if (value >= least && value <= most) return value
    throw new UsageError(
      `--${name}: a number from ${least}${most < Infinity ? ` to ${most}` : ''}, not "${text(name)}".`,
    )
  }
  const whole = (name: string, fallback: number, most?: number): number => {
    const value = number(name, fallback, 1, most)
    if (Number.isInteger(value)) return value
    throw new UsageError(`--${name}: a whole number, not "${text(name)}".`)
  }
  const store = oneOf<StoreKind>('store', text('store') ?? 'redis', ['memory', 'redis', 'dynamodb'])
  const load = number('load', 1.2, 0.01, 10)
  const tokensPerMinute = whole('tokens-per-minute', 2_000_000)
  const maxTokens = whole('max-tokens', 4_096, 64_000)
  const burstTokens = Math.floor((tokensPerMinute / 60) * number('burst', quick ? 15 : 60, 1, 60))
  if (maxTokens >= burstTokens / 2)
    throw new UsageError('--max-tokens: so many tokens are more than half of what the quota holds at once.')
  const trace = text('trace')
  const named = ((values.policy as string[] | undefined) ?? ['sluice,sdk-standard']).flatMap((names) =>
    names.split(','),
  )
  for (const name of named) {
    if (!isPolicyName(name)) {
      throw new UsageError(
        `--policy: there is no "${name}"; choose from ${Object.keys(policyModules).join(', ')}.`,
      )
    }
  }
  if (named.includes('rate-limiter-flexible') && store !== 'redis') {
    throw new UsageError('--policy rate-limiter-flexible is measured on Redis: --store redis.')
  }
  const wrong = text('wrong')
  const tenants = whole('tenants', 10)
  return {
    factor: number('compress', 10, 1, 10),
    policies: named as PolicyName[],
    trace: trace === undefined ? undefined : readTrace(readFileSync(trace, 'utf8')),
    plot: text('plot'),
    settings: {
      ...{ load, tokensPerMinute, burstTokens, maxTokens, store },
      burndown: 5,
      deadlineMs: 1_000 * number('deadline', 60, 1),
      sandboxes: whole('sandboxes', 300),
      workers: store === 'memory' ? 1 : whole('workers', Math.min(4, availableParallelism()), 4),
      // What arrives above the refill is no attempt, and the first fifth is not counted.
      calls: whole('calls', quick ? 700 : Math.ceil(27_000 * Math.max(1, load))),
      tenants: partsOf(tenants, text('hog') === undefined ? undefined : number('hog', 0, 0.01, 0.99)),
      wrong: wrong === undefined ? undefined : oneOf<Wrong>('wrong', wrong, ['burst', 'burndown', 'foreign']),
      kill: number('kill', 0, 0, 0.5),
      seed: whole('seed', 1),
    },
  }
}

function partsOf(tenants: number, hog: number | undefined): number[] {
  if (hog === undefined || tenants === 1) return Array<number>(tenants).fill(1 / tenants)
  return [hog, ...Array<number>(tenants - 1).fill((1 - hog) / (tenants - 1))]
}

function oneOf<Name extends string>(option: string, name: string, known: readonly Name[]): Name {
  const found = known.find((each) => each === name)
  if (found) return found
  throw new UsageError(`--${option}: there is no "${name}"; choose from ${known.join(', ')}.`)
}
