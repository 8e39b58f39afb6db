import { expect, test } from 'vitest'
import type { OwnAccount } from './accounts.ts'
import { reportOf, verdict } from './report.ts'
import type { PatternResult } from './run-pattern.ts'

const account: OwnAccount = {
  calls: 2,
  failedCalls: 0,
  attempts: 3,
  answered: 2,
  refused: 1,
  lost: 0,
  tokens: { in: 100, out: 20 },
  lostTokens: { in: 0, out: 0 },
  lostAtMost: { in: 0, out: 0 },
  callsMs: [10, 20],
}
const { answered, refused, lost, tokens, lostTokens } = account
const result: PatternResult = {
  pattern: 'sqs-batch',
  rush: false,
  guarded: true,
  messages: 2,
  events: 1,
  failed: 0,
  answers: [],
  reasons: [],
  eventsMs: [],
  endpoint: {
    ...{ answered, refused, lost, tokens, lostTokens },
    ...{ requests: 3, faults: 1, overQuota: 0, connections: 1, requestsMs: [5], spanMs: 30 },
  },
  own: account,
  metered: account,
  costUsd: '0.1',
  lines: [],
}
const job = {
  ...{ job: 'batch-classify, Bedrock', records: 100, labelled: 100, seconds: 1 },
  ...{ endpointTokens: { in: 50, out: 5 }, tokens: { in: 50, out: 5 } },
}
const messages = { texts: ['a', 'b'], source: 'from a test', intents: '' }
const local = (...[changed, changedJob]: [object?, object?]) =>
  reportOf('local', messages, [{ ...result, ...changed }], [{ ...job, ...changedJob }], 1_000)

test('accounts that agree say so, and for how many answers', () => {
  const report = local()
  expect(report).toMatchObject({ agree: true, differences: [] })
  expect(report.patterns).toMatchObject([{ survived: 1, costUsd: '0.1' }])
  expect(verdict(report)).toBe(
    'Endpoint, Sluice and cost meter agree to the token: 2 answers, 100 tokens in and 20 out.\n' +
      'Endpoint and job agree as well: 100 labels, 50 tokens in and 5 out.',
  )
})

test.for([
  [
    'Sluice',
    { own: { ...account, attempts: 2 } },
    {},
    'sqs-batch: requests: the endpoint counted 3, Sluice 2',
  ],
  [
    'the meter',
    { metered: { ...account, tokens: { in: 99, out: 20 } } },
    {},
    'sqs-batch: tokens in: the endpoint counted 100, costMeter() 99',
  ],
  [
    'the job',
    {},
    { tokens: { in: 50, out: 6 } },
    "batch-classify, Bedrock: the endpoint counted 50 tokens in and 5 out, the job's results 50 tokens in and 6 out",
  ],
] as const)('one account that differs, that of %s, is enough', ([, changed, changedJob, words]) => {
  const report = local(changed, changedJob)
  expect(report).toMatchObject({ agree: false, differences: [words] })
  expect(verdict(report)).toBe(`THE ACCOUNTS DO NOT AGREE:\n  ${words}`)
})

test('the bare SDK has no account that could differ', () => {
  expect(local({ guarded: false, own: { ...account, attempts: 0 } })).toMatchObject({
    agree: true,
    patterns: [{ own: null, costUsd: null }],
  })
})
