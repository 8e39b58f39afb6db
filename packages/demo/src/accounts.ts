/** The endpoint's account of a run, ours, and whether they say the same. */
import { type AttemptRecord, type CallRecord, promptTokens } from '@sluice/core'
import type { Counters, RequestRecord } from 'sluice/local'

export interface Tokens {
  readonly in: number
  readonly out: number
}

/** What became of requests, or of attempts. */
export interface Fates {
  /** Answered, with a usage that was told. */
  readonly answered: number
  /** Refused before the model saw them: throttles and failures of the service. They cost nothing. */
  readonly refused: number
  /** Lost on their way, after the model had begun. */
  readonly lost: number
}

export interface EndpointAccount extends Fates {
  readonly requests: number
  /** Of the answers that arrived. */
  readonly tokens: Tokens
  /** Of the answers that were lost: what the model read and wrote for nobody. */
  readonly lostTokens: Tokens
  /** Requests that an injected fault has struck. */
  readonly faults: number
  /** Requests that a quota has refused. */
  readonly overQuota: number
  readonly connections: number
  /** Time of each request, in milliseconds. */
  readonly requestsMs: readonly number[]
  /** From the first request to the end of the last, in milliseconds. */
  readonly spanMs: number
}

export interface OwnAccount extends Fates {
  readonly calls: number
  readonly failedCalls: number
  readonly attempts: number
  /** As told by the model. */
  readonly tokens: Tokens
  /** Our estimate where nobody told. */
  readonly lostTokens: Tokens
  /** The most that those can have been. */
  readonly lostAtMost: Tokens
  /** Time of each call as the handler saw it, retries included, in milliseconds. */
  readonly callsMs: readonly number[]
}

export function endpointAccount(requests: readonly RequestRecord[], counters: Counters): EndpointAccount {
  const answered = requests.filter(({ outcome }) => outcome === 'ok')
  // A stream whose headers were sent had begun, also if it said nothing.
  const lost = requests.filter(
    ({ outcome, outputTokens, status }) => outcome !== 'ok' && (outputTokens > 0 || status === 200),
  )
  return {
    requests: counters.requests,
    answered: answered.length,
    refused: counters.requests - answered.length - lost.length,
    lost: lost.length,
    tokens: sum(answered.map(tokensOfRequest)),
    lostTokens: sum(lost.map(tokensOfRequest)),
    faults: requests.filter(({ fault }) => fault !== undefined && !isQuota(fault)).length,
    overQuota: requests.filter(({ fault }) => isQuota(fault)).length,
    connections: counters.connections.http1 + counters.connections.http2,
    requestsMs: requests.map(({ totalMs }) => totalMs),
    spanMs: spanOf(requests),
  }
}

function spanOf(requests: readonly RequestRecord[]): number {
  if (requests.length === 0) return 0
  const ends = requests.map(({ at, totalMs }) => at + totalMs)
  return Math.max(...ends) - Math.min(...requests.map(({ at }) => at))
}

function isQuota(fault: string | undefined): boolean {
  return fault?.startsWith('quota:') ?? false
}

export function ownAccount(attempts: readonly AttemptRecord[], calls: readonly CallRecord[]): OwnAccount {
  const sent = attempts.filter((attempt) => attempt.sent)
  const answered = sent.filter(({ status, estimated }) => status === 'answered' && !estimated)
  const lost = sent.filter(({ estimated }) => estimated)
  return {
    calls: calls.length,
    failedCalls: calls.filter(({ status }) => status === 'failed').length,
    attempts: sent.length,
    answered: answered.length,
    refused: sent.length - answered.length - lost.length,
    lost: lost.length,
    tokens: sum(answered.map(({ usage }) => tokensOfUsage(usage))),
    lostTokens: sum(lost.map(({ usage }) => tokensOfUsage(usage))),
    lostAtMost: sum(lost.map(({ usage, atMost = usage }) => tokensOfUsage(atMost))),
    callsMs: calls.map(({ durationMs }) => durationMs),
  }
}

/** Where the endpoint's account and another differ, in words; nothing where they agree to the token. */
export function differences(endpoint: EndpointAccount, own: OwnAccount, whose = 'Sluice'): string[] {
  const pairs: readonly (readonly [string, number, number])[] = [
    ['requests', endpoint.requests, own.attempts],
    ['answered', endpoint.answered, own.answered],
    ['refused', endpoint.refused, own.refused],
    ['lost', endpoint.lost, own.lost],
    ['tokens in', endpoint.tokens.in, own.tokens.in],
    ['tokens out', endpoint.tokens.out, own.tokens.out],
  ]
  return pairs
    .filter(([, theirs, ours]) => theirs !== ours)
    .map(([what, theirs, ours]) => `${what}: the endpoint counted ${theirs}, ${whose} ${ours}`)
}

export function sum(tokens: readonly Tokens[]): Tokens {
  return tokens.reduce((total, next) => ({ in: total.in + next.in, out: total.out + next.out }), {
    in: 0,
    out: 0,
  })
}

function tokensOfRequest(request: RequestRecord): Tokens {
  const { inputTokens, cacheReadTokens, cacheWriteTokens, outputTokens } = request
  return { in: inputTokens + cacheReadTokens + cacheWriteTokens, out: outputTokens }
}

function tokensOfUsage(usage: AttemptRecord['usage']): Tokens {
  return { in: promptTokens(usage), out: usage.outputTokens }
}
