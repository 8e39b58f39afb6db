/** The result of a run: for programs and for readers. */
import { differences, type EndpointAccount, type OwnAccount, sum, type Tokens } from './accounts.ts'
import type { JobResult } from './jobs.ts'
import type { Messages } from './messages.ts'
import type { PatternResult } from './run-pattern.ts'

export interface Report {
  readonly mode: 'local' | 'aws'
  readonly messages: number
  readonly source: string
  readonly seconds: number
  /** Whether endpoint, Sluice and its meter agree to the token; null where the endpoint's account is not known. */
  readonly agree: boolean | null
  /** Where they do not. */
  readonly differences: readonly string[]
  readonly patterns: readonly PatternReport[]
  readonly jobs: readonly JobResult[]
}

export interface PatternReport {
  readonly pattern: string
  /** It is about more work than the quota carries. */
  readonly rush: boolean
  /** What went in. */
  readonly messages: number
  /** How it went in: batches, requests, executions, uploads. */
  readonly events: number
  /** Messages without an answer in the end. */
  readonly failed: number
  /** Times that a message went back to its queue, to wait for quota. */
  readonly deferred: number
  /** Why events or records failed, and how often. */
  readonly reasons: Readonly<Record<string, number>>
  /** Injected faults that did not fail the call that met them. */
  readonly survived: number
  readonly endpoint: (Times & Omit<EndpointAccount, 'requestsMs'>) | null
  readonly own: (Times & Omit<OwnAccount, 'callsMs'>) | null
  /** Sum of `costMeter()` in USD, as far as attempts have a price. */
  readonly costUsd: string | null
  /** Warm events as the caller of the function saw them; of batches they would mean something else. */
  readonly eventMs: Times | null
}

interface Times {
  readonly p50Ms: number
  readonly p99Ms: number
}

export function reportOf(
  mode: Report['mode'],
  { texts, source }: Messages,
  results: readonly PatternResult[],
  jobs: readonly JobResult[],
  elapsedMs: number,
): Report {
  const differing =
    mode === 'aws' ? [] : [...results.flatMap(differencesIn), ...jobs.flatMap(differencesInJob)]
  return {
    mode,
    messages: texts.length,
    source,
    seconds: Math.round(elapsedMs / 100) / 10,
    agree: mode === 'aws' ? null : differing.length === 0,
    differences: differing,
    patterns: results.map((result) => patternReport(mode, result)),
    jobs,
  }
}

function differencesIn({ pattern, guarded, endpoint, own, metered }: PatternResult): string[] {
  if (!guarded) return []
  const both = [...differences(endpoint, own, 'Sluice'), ...differences(endpoint, metered, 'costMeter()')]
  return both.map((difference) => `${pattern}: ${difference}`)
}

function differencesInJob({ job, endpointTokens, tokens }: JobResult): string[] {
  if (endpointTokens?.in === tokens?.in && endpointTokens?.out === tokens?.out) return []
  return [`${job}: the endpoint counted ${amountsOf(endpointTokens)}, the job's results ${amountsOf(tokens)}`]
}

function patternReport(mode: Report['mode'], result: PatternResult): PatternReport {
  const { pattern, rush, guarded, messages, events, failed, deferred = 0, reasons, eventsMs } = result
  const { requestsMs, ...endpoint } = result.endpoint
  const { callsMs, ...own } = result.own
  return {
    pattern,
    rush,
    messages,
    events,
    failed,
    deferred,
    reasons: counted(reasons),
    survived: endpoint.faults - (guarded ? own.failedCalls : failed),
    endpoint: mode === 'aws' ? null : { ...endpoint, ...timesOf(requestsMs) },
    own: guarded ? { ...own, ...timesOf(callsMs) } : null,
    costUsd: guarded ? result.costUsd : null,
    eventMs: eventsMs.length > 0 ? timesOf(eventsMs) : null,
  }
}

export function counted(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1
  return counts
}

/** Nearest rank. */
function timesOf(durationsMs: readonly number[]): Times {
  const sorted = durationsMs.toSorted((a, b) => a - b)
  const at = (share: number) => Math.round(sorted[Math.ceil(share * sorted.length) - 1] ?? 0)
  return { p50Ms: at(0.5), p99Ms: at(0.99) }
}

/** The line that says whether the accounts agree. */
export function verdict({ agree, differences, patterns, jobs }: Report): string {
  if (agree === null)
    return 'Only the account of Sluice is shown: what AWS counted stands in CloudWatch and on the bill.'
  if (!agree) return `THE ACCOUNTS DO NOT AGREE:\n${differences.map((line) => `  ${line}`).join('\n')}`
  const own = patterns.flatMap((pattern) => pattern.own ?? [])
  const total = sum(own.map(({ tokens }) => tokens))
  const answers = own.reduce((count, { answered }) => count + answered, 0)
  return [
    own.length > 0 &&
      `Endpoint, Sluice and cost meter agree to the token: ${plural(answers, 'answer')}, ${amounts(total)}.${lostNote(patterns)}`,
    ...jobs.map(
      ({ tokens, labelled }) =>
        tokens && `Endpoint and job agree as well: ${plural(labelled, 'label')}, ${amounts(tokens)}.`,
    ),
  ]
    .filter(Boolean)
    .join('\n')
}

function lostNote(patterns: readonly PatternReport[]): string {
  const both = patterns.flatMap(({ endpoint, own }) => (endpoint && own ? [{ endpoint, own }] : []))
  const lost = both.reduce((count, { own }) => count + own.lost, 0)
  if (lost === 0) return ''
  const used = amounts(sum(both.map(({ endpoint }) => endpoint.lostTokens)))
  const estimated = amounts(sum(both.map(({ own }) => own.lostTokens)))
  const atMost = number(sum(both.map(({ own }) => own.lostAtMost)).out)
  return [
    '',
    `Besides, ${plural(lost, 'answer was', 'answers were')} cut on the way, so that nobody was told their usage: ${used} at the endpoint.`,
    `Sluice marks these as not told, estimates ${estimated}, and bounds what came out at ${atMost}.`,
  ].join('\n')
}

export function plural(count: number, one: string, many: string = `${one}s`): string {
  return `${number(count)} ${count === 1 ? one : many}`
}

export function number(value: number): string {
  return value.toLocaleString('en-US')
}

function amountsOf(tokens: Tokens | undefined): string {
  return tokens ? amounts(tokens) : 'nothing'
}

export function amounts(tokens: Tokens): string {
  return `${number(tokens.in)} tokens in and ${number(tokens.out)} out`
}
