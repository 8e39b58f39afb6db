/** Figures for a human, and for a machine. */

import { machine } from '../machine.ts'
import { table } from '../table.ts'
import type { Figures } from './figures.ts'
import type { Settings } from './settings.ts'

export type FiguresByPolicy = Readonly<Record<string, Figures>>

export function quotaReport(
  figures: FiguresByPolicy,
  settings: Omit<Settings, 'compression'>,
  factor: number,
  arrivals: string,
): { text: string; json: unknown } {
  const {
    load,
    tokensPerMinute,
    burstTokens,
    maxTokens,
    store,
    sandboxes,
    workers,
    deadlineMs,
    tenants,
    wrong,
    kill,
  } = settings
  const rows = Object.entries(figures).map(([name, each]) => [
    name,
    ...[each.calls, each.attempts, each.ok, each.shed].map(String),
    share(each.throttledPerAttempt, 4),
    share(each.throttledUpper95, 4),
    share(each.goodput, 3),
    share(each.successWithinDeadline, 4),
    seconds(each.waitMs.p50),
    seconds(each.waitMs.p99),
    each.storeOpsPerCall.toFixed(2),
    share(each.jain, 3),
    share(each.lightTenantSuccess, 3),
    ...(kill > 0 ? [each.recoveredAfterMs === undefined ? 'never' : seconds(each.recoveredAfterMs)] : []),
  ])
  const header = [
    ...['policy', 'calls', 'attempts', 'ok', 'shed', '429/attempt', '<= (95 %)', 'goodput', 'in time'],
    ...['wait p50', 'p99', 'store ops/call', 'Jain', 'light'],
    ...(kill > 0 ? ['full rate after'] : []),
  ]
  const text = [
    `Load ${load} of ${tokensPerMinute} tokens a minute (${Math.round((60 * burstTokens) / tokensPerMinute)} s of it at once), maxTokens ${maxTokens}, ${arrivals}, store ${store},`,
    `${sandboxes} sandboxes in ${workers} process${workers === 1 ? '' : 'es'}, deadline ${deadlineMs / 1000} s, ${tenants.length} tenants` +
      `${(tenants[0] ?? 0) > (tenants[1] ?? 0) ? `, the first with ${share(tenants[0] ?? 0, 2)} of the demand` : ''}` +
      `${wrong ? `; the throttle is wrong about: ${wrong}` : ''}${kill > 0 ? `; ${kill} of the calls lose their sandbox` : ''}.`,
    `A simulation: local endpoint, real stores and clients; ${factor} s pass in one. Quota, arrivals, deadlines, answers and`,
    `all waits are compressed alike; the work of the machine and the requests to the store are not, and so weigh ${factor} times.`,
    'Without the first fifth of the time.',
    '',
    table(header, rows),
    '',
    machine(),
  ].join('\n')
  return { text, json: { policies: figures, setup: { ...settings, compress: factor, arrivals } } }
}

function share(value: number, digits: number): string {
  return value.toFixed(digits)
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`
}
