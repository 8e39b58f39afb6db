import type { BenchReport } from '../bench.ts'
import { machine } from '../machine.ts'
import { AA, type PairedResult, voidReason } from '../paired.ts'
import { relativeSpread } from '../statistics.ts'
import { table } from '../table.ts'
import type { Bundle } from './bundle.ts'
import type { HandlerName } from './cold-start.ts'

/**
 * What each part may add to the bare SDK's bundle, gzipped; a kilobyte is 1,000 bytes, the stricter reading. Why the
 * first one is not smaller: docs/decisions/0009-size.md.
 */
const budgets: readonly { packages: readonly string[]; gzipKb: number }[] = [
  { packages: ['@sluice/core', '@sluice/model-invocation'], gzipKb: 12 },
  { packages: ['@middy/core'], gzipKb: 1.5 },
  { packages: ['@sluice/quota-throttle'], gzipKb: 4 },
  { packages: ['@sluice/store'], gzipKb: 2 },
  { packages: ['@sluice/timeout-guard'], gzipKb: 2 },
  { packages: ['@sluice/token-stream'], gzipKb: 3 },
  { packages: ['@sluice/cost-meter'], gzipKb: 3 },
]
const ADDED_IMPORT_LIMIT_MS = 5

/** Ours, and what it is measured against: the SDK with the same clients. */
const pairs = [
  ['sluice', 'sdk'],
  ['sluiceAll', 'sdkTable'],
] as const

type Bundles = ReadonlyMap<HandlerName | typeof AA, Bundle>
type Imports = PairedResult<HandlerName | typeof AA>

export function coldStartReport(
  arms: readonly HandlerName[],
  bundles: Bundles,
  imports: Imports,
): BenchReport {
  const baseline = arms[0]!
  return {
    text: [
      machine(),
      armTable(arms, bundles, imports),
      ...pairs
        .filter(([ours, base]) => arms.includes(ours) && arms.includes(base))
        .flatMap(([ours, base]) => [partTable(bundles, ours, base), importVerdict(imports, ours, base)]),
    ].join('\n\n'),
    json: {
      gzipKb: Object.fromEntries(arms.map((arm) => [arm, rounded(bundles.get(arm)!.gzipBytes / 1_000)])),
      importMs: Object.fromEntries(
        arms.map((arm) => {
          const { median, medianInterval } = imports.arms[arm]
          return [arm, { median: rounded(median), ci: medianInterval.map(rounded) }]
        }),
      ),
    },
    voidReasons: [voidReason('import time', imports.ratio(AA, baseline).value) ?? []].flat(),
  }
}

function armTable(arms: readonly HandlerName[], bundles: Bundles, imports: Imports): string {
  const baseline = arms[0]!
  const base = bundles.get(baseline)!
  return table(
    ['Handler', 'min KB', 'gzip KB', `- ${baseline}`, 'import ms', '95 %', `- ${baseline}`, '95 %', 'spread'],
    [...arms, AA].map((arm) => {
      const { minifiedBytes, gzipBytes } = bundles.get(arm)!
      const { median, medianInterval, rounds } = imports.arms[arm]
      const added = imports.difference(arm, baseline)
      return [
        arm === AA ? `A/A (${baseline} again)` : arm,
        kilobytes(minifiedBytes),
        kilobytes(gzipBytes),
        kilobytes(gzipBytes - base.gzipBytes),
        median.toFixed(1),
        ends(medianInterval),
        added.value.toFixed(1),
        ends(added.interval),
        `±${(relativeSpread(rounds) * 100).toFixed(0)} %`,
      ]
    }),
  )
}

/**
 * Where the bytes over the bare SDK come from. Minified bytes are esbuild's own account; one compressed file
 * has no parts, so the gzipped difference is shared out in proportion.
 */
function partTable(bundles: Bundles, arm: HandlerName, base: HandlerName): string {
  const [ours, sdk] = [bundles.get(arm)!, bundles.get(base)!]
  const added = new Map<string, number>()
  for (const [name, bytes] of ours.packages) {
    const more = bytes - (sdk.packages.get(name) ?? 0)
    const part = isSdk(name) ? 'the AWS SDK, more of it' : name
    added.set(part, (added.get(part) ?? 0) + more)
  }
  const addedGzip = ours.gzipBytes - sdk.gzipBytes
  const addedBytes = [...added.values()].reduce((sum, bytes) => sum + bytes, 0)
  const share = (bytes: number) => kilobytes((bytes / addedBytes) * addedGzip)

  const present = budgets.filter(({ packages }) => packages.some((name) => added.has(name)))
  const limit = present.reduce((sum, { gzipKb }) => sum + gzipKb, 0)
  return table(
    [`${arm} over ${base}`, 'min KB', 'gzip KB', 'budget', 'verdict'],
    [
      ...[...added]
        .filter(([, bytes]) => bytes !== 0)
        .toSorted(([, left], [, right]) => right - left)
        .map(([name, bytes]) => [name, kilobytes(bytes), share(bytes), '', '']),
      ...present.map(({ packages, gzipKb }) => {
        const bytes = packages.reduce((sum, name) => sum + (added.get(name) ?? 0), 0)
        return [packages.join(' + '), kilobytes(bytes), share(bytes), `${gzipKb}`, '']
      }),
      [
        'all of it',
        kilobytes(addedBytes),
        kilobytes(addedGzip),
        `${limit}`,
        verdict(addedGzip / 1_000, limit),
      ],
    ],
  )
}

function importVerdict(imports: Imports, arm: HandlerName, base: HandlerName): string {
  const upper = imports.difference(arm, base).interval[1]
  return table(
    [`Goal for ${arm} (upper end of the interval)`, 'limit', 'seen', 'verdict'],
    [
      [
        `import, ms more than ${base}`,
        ADDED_IMPORT_LIMIT_MS.toFixed(1),
        upper.toFixed(1),
        verdict(upper, ADDED_IMPORT_LIMIT_MS),
      ],
    ],
  )
}

const isSdk = (name: string): boolean => /^@(aws-sdk|smithy|aws|aws-crypto)\/|^tslib$/.test(name)
const verdict = (seen: number, limit: number): string => (seen <= limit ? 'met' : 'MISSED')
const kilobytes = (bytes: number): string => (bytes / 1_000).toFixed(1)
const ends = ([low, high]: readonly [number, number]): string => `${low.toFixed(1)} to ${high.toFixed(1)}`
const rounded = (value: number): number => Number(value.toFixed(2))
