import type { RequestRecord } from 'sluice/local'
import { expect, test } from 'vitest'
import {
  differences,
  type EndpointAccount,
  endpointAccount,
  type OwnAccount,
  ownAccount,
} from './accounts.ts'

const endpoint: EndpointAccount = {
  requests: 6,
  answered: 3,
  refused: 2,
  lost: 1,
  tokens: { in: 300, out: 30 },
  lostTokens: { in: 90, out: 4 },
  faults: 3,
  overQuota: 0,
  connections: 1,
  requestsMs: [],
  spanMs: 0,
}
const own: OwnAccount = {
  calls: 3,
  failedCalls: 0,
  attempts: 6,
  answered: 3,
  refused: 2,
  lost: 1,
  tokens: { in: 300, out: 30 },
  lostTokens: { in: 100, out: 0 },
  lostAtMost: { in: 100, out: 20 },
  callsMs: [],
}

test('equal accounts agree, whatever was estimated of the lost', () => {
  expect(differences(endpoint, own)).toEqual([])
})

test.for([
  [{ attempts: 5 }, 'requests: the endpoint counted 6, Sluice 5'],
  [{ answered: 4 }, 'answered: the endpoint counted 3, Sluice 4'],
  [{ refused: 1 }, 'refused: the endpoint counted 2, Sluice 1'],
  [{ lost: 0 }, 'lost: the endpoint counted 1, Sluice 0'],
  [{ tokens: { in: 301, out: 30 } }, 'tokens in: the endpoint counted 300, Sluice 301'],
  [{ tokens: { in: 300, out: 29 } }, 'tokens out: the endpoint counted 30, Sluice 29'],
] as const)('%o is a difference', ([change, words]) => {
  expect(differences(endpoint, { ...own, ...change })).toEqual([words])
})

test('an attempt that was billed twice, or forgotten, is a difference', () => {
  const request = {
    ...({
      outcome: 'ok',
      inputTokens: 50,
      cacheReadTokens: 0,
      cacheWriteTokens: 0,
      outputTokens: 5,
    } as RequestRecord),
  }
  const attempt = {
    sent: true,
    status: 'answered',
    estimated: false,
    usage: {
      inputTokens: 50,
      outputTokens: 5,
      cacheReadTokens: 0,
      cacheWrite5mTokens: 0,
      cacheWrite1hTokens: 0,
    },
  } as Parameters<typeof ownAccount>[0][number]
  const counters = { requests: 1, connections: { http1: 0, http2: 1, open: 0 } } as Parameters<
    typeof endpointAccount
  >[1]
  const theirs = endpointAccount([request], counters)
  expect(differences(theirs, ownAccount([attempt], []))).toEqual([])
  expect(differences(theirs, ownAccount([attempt, attempt], []))).toHaveLength(4)
  expect(differences(theirs, ownAccount([], []))).toHaveLength(4)
})

const counters = { requests: 1, connections: { http1: 1, http2: 0, open: 0 } } as Parameters<
  typeof endpointAccount
>[1]

test.for([
  ['a stream that began and said nothing', { outcome: 'aborted', status: 200, fault: 'stall' }, { lost: 1 }],
  [
    'a refusal of the quota',
    { outcome: 'throttled', status: 429, fault: 'quota:tokens' },
    { refused: 1, overQuota: 1 },
  ],
  [
    'an injected throttle',
    { outcome: 'throttled', status: 429, fault: 'throttle' },
    { refused: 1, faults: 1 },
  ],
] as const)('%s', ([, request, expected]) => {
  const account = endpointAccount(
    [{ at: 1_000, totalMs: 50, inputTokens: 9, outputTokens: 0, ...request } as RequestRecord],
    counters,
  )
  expect(account).toMatchObject({ answered: 0, spanMs: 50, ...expected })
})

test('a run without a request has no time', () => {
  expect(endpointAccount([], { ...counters, requests: 0 }).spanMs).toBe(0)
})
