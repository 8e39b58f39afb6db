/** A summary of costs as text for people, and as JSON for programs. */

import { usdText } from '@sluice/cost-meter'
import type { Group, Losses, Summary } from './cost-summary.ts'
import { textTable } from './table.ts'

/** Tables by each dimension, the dearest first and days in their order; a plot of the days; what was lost. */
export function costTables(summary: Summary, top: number, columns: number): string {
  const { total, groups } = summary
  const usd = dollarsFor(total.picoUsd)
  const sections = Object.entries(groups).map(([name, byValue]) =>
    name === 'day' ? dayTable(byValue, usd, columns) : groupTable(name, byValue, usd, top),
  )
  return [totals(summary, usd), ...sections, lossTable(summary.losses, total, usd)].join('\n')
}

/** The same as JSON, with money as exact decimal text. */
export function costJson({ total, groups, losses, calls, lambda, unpricedModels }: Summary): string {
  const loss = ({ attempts, picoUsd, atMostPicoUsd }: Losses['retries']) => ({
    attempts,
    usd: usdText(picoUsd),
    atMostUsd: usdText(atMostPicoUsd),
  })
  const { tokens, answers, picoUsd } = losses.oversized
  const value = {
    total: plain(total),
    by: Object.fromEntries(
      Object.entries(groups).map(([name, byValue]) => [
        name,
        Object.fromEntries([...byValue].map(([key, group]) => [key, plain(group)])),
      ]),
    ),
    lost: { retries: loss(losses.retries), aborts: loss(losses.aborts) },
    oversizedMaxTokens: { answers, tokens, usd: usdText(picoUsd) },
    calls,
    lambda: {
      invocations: lambda.invocations,
      usd: usdText(lambda.picoUsd),
      waitingUsd: usdText(lambda.waitingPicoUsd),
    },
    unpricedModels: [...unpricedModels],
  }
  return `${JSON.stringify(value, null, 2)}\n`
}

function plain({ picoUsd, atMostPicoUsd, ...counts }: Group): object {
  return { usd: usdText(picoUsd), atMostUsd: usdText(atMostPicoUsd), ...counts }
}

type Dollars = (picoUsd: bigint) => string

function totals({ total, calls, lambda, unpricedModels }: Summary, usd: Dollars): string {
  const share = (part: bigint, of: bigint) => (of > 0n ? `${Number((part * 100n) / of)} %` : '-')
  const lines = [
    `models  ${usd(total.picoUsd)}  in ${total.attempts} attempts of ${calls.ended} calls ` +
      `(${calls.failed} failed, ${calls.cached} from a cache, ${calls.shed} shed)`,
  ]
  if (total.atMostPicoUsd > total.picoUsd) {
    lines.push(`        at most ${usd(total.atMostPicoUsd)}, where usage is estimated`)
  }
  if (lambda.invocations > 0 && lambda.picoUsd > 0n) {
    const lambdaUsd = dollarsFor(lambda.picoUsd)
    lines.push(
      `Lambda  ${lambdaUsd(lambda.picoUsd)}  in ${lambda.invocations} invocations, ` +
        `${share(lambda.waitingPicoUsd, lambda.picoUsd)} of it waiting for models`,
    )
  }
  if (total.unpriced > 0) {
    lines.push(`UNPRICED: ${total.unpriced} attempts are in no sum: ${[...unpricedModels].join(', ')}`)
  }
  return `${lines.join('\n')}\n`
}

function groupTable(name: string, byValue: ReadonlyMap<string, Group>, usd: Dollars, top: number): string {
  const dearest = [...byValue].toSorted(([, a], [, b]) =>
    a.picoUsd === b.picoUsd ? b.attempts - a.attempts : a.picoUsd < b.picoUsd ? 1 : -1,
  )
  const rows = dearest
    .slice(0, top)
    .map(([value, group]) => [
      value,
      usd(group.picoUsd),
      String(group.attempts),
      String(group.inputTokens),
      String(group.outputTokens),
      group.unpriced > 0 ? `${group.unpriced} unpriced` : '',
    ])
  const rest = dearest.length - rows.length
  const table = textTable([[name, 'USD', 'attempts', 'tokens in', 'tokens out', ''], ...rows])
  return rest > 0 ? `${table}and ${rest} more (--top ${dearest.length})\n` : table
}

function dayTable(byDay: ReadonlyMap<string, Group>, usd: Dollars, columns: number): string {
  const days = [...byDay].toSorted(([a], [b]) => (a < b ? -1 : 1))
  let most = 0n
  for (const [, { picoUsd }] of days) if (picoUsd > most) most = picoUsd
  const width = Math.max(8, Math.min(60, columns - 30))
  const rows = days.map(([day, { picoUsd }]) => [day, usd(picoUsd), bar(picoUsd, most, width)])
  return textTable([['day', 'USD', ''], ...rows], (column) => column !== 1)
}

const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

/** In eighths of a character, so that small days can be told from none. */
function bar(value: bigint, most: bigint, width: number): string {
  if (value === 0n || most === 0n) return ''
  const filled = Math.max(1, Number((value * BigInt(width * 8)) / most))
  return '█'.repeat(Math.floor(filled / 8)) + eighths[filled % 8]
}

function lossTable({ retries, aborts, oversized }: Losses, total: Group, usd: Dollars): string {
  const share = (picoUsd: bigint) =>
    total.picoUsd > 0n ? `${(Number((picoUsd * 1000n) / total.picoUsd) / 10).toFixed(1)} %` : '-'
  const row = (name: string, { attempts, picoUsd, atMostPicoUsd }: Losses['retries']) => [
    name,
    usd(picoUsd),
    share(picoUsd),
    usd(atMostPicoUsd),
    `${attempts} attempts`,
  ]
  const table = textTable(
    [['lost to', 'USD', 'of all', 'at most', ''], row('retries', retries), row('aborts', aborts)],
    (column) => column === 0 || column === 4,
  )
  if (oversized.tokens === 0) return table
  return (
    `${table}maxTokens held ${oversized.tokens} tokens more of your quota than ${oversized.answers} answers had, ` +
    `worth ${usd(oversized.picoUsd)} had they come\n`
  )
}

/** Rounds all amounts of a report alike, so that they can be compared at a glance. */
function dollarsFor(largestPicoUsd: bigint): Dollars {
  const one = 1_000_000_000_000n
  const decimals = largestPicoUsd >= 100n * one ? 2 : largestPicoUsd >= one ? 4 : 6
  const unit = 10n ** BigInt(12 - decimals)
  return (picoUsd) => {
    const units = ((picoUsd + unit / 2n) / unit).toString().padStart(decimals + 1, '0')
    return `${units.slice(0, -decimals)}.${units.slice(-decimals)}`
  }
}
