import type { AttemptCostRecord } from '@sluice/cost-meter'
import { expect, test } from 'vitest'
import { summing } from './cost-summary.ts'

let calls = 0

function attempt(fields: Partial<AttemptCostRecord>): AttemptCostRecord {
  return {
    kind: 'attempt',
    callId: `r:${++calls}`,
    scopeId: 'r',
    requestId: 'r',
    tenant: undefined,
    tags: {},
    startedAtMs: Date.UTC(2026, 10, 21),
    provider: 'bedrock',
    modelId: 'us.amazon.nova-lite-v1:0',
    baseModelId: 'amazon.nova-lite-v1:0',
    operation: 'Converse',
    streaming: false,
    inputBytes: 40,
    estimatedInputTokens: 10,
    maxTokens: 100,
    attempt: 1,
    status: 'answered',
    usage: {
      inputTokens: 1,
      outputTokens: 20,
      cacheReadTokens: 2,
      cacheWrite5mTokens: 3,
      cacheWrite1hTokens: 4,
    },
    estimated: false,
    partial: false,
    sent: true,
    durationMs: 1,
    cost: { priced: true, usd: '0.000000000003', parts: { output: '0.000000000002' } },
    ...fields,
  }
}

const cut = { priced: true, usd: '0.000000000005', atMostUsd: '0.000000000009', parts: {} } as const

test('an attempt without an answer is lost to a retry if another came after it, else to an abort', () => {
  const sums = summing([])
  const call = { callId: 'twice', status: 'failed', cost: cut } as const
  // In logs of several sandboxes a later one may stand first.
  for (const record of [attempt({ ...call, attempt: 2 }), attempt(call)]) sums.add(record)
  sums.add(attempt({ status: 'left', cost: cut }))
  sums.add(attempt({ status: 'failed', cost: { priced: true, usd: '0', parts: {} } }))
  const { losses, total } = sums.summary()
  expect(losses).toMatchObject({
    retries: { attempts: 1, picoUsd: 5n, atMostPicoUsd: 9n },
    aborts: { attempts: 2, picoUsd: 10n, atMostPicoUsd: 18n },
    oversized: { answers: 0 },
  })
  expect(total).toMatchObject({ attempts: 4, picoUsd: 15n, atMostPicoUsd: 27n, inputTokens: 40 })
})

test('maxTokens beyond the answer is worth what as many tokens of it have cost', () => {
  const sums = summing([])
  sums.add(attempt({}))
  sums.add(attempt({ maxTokens: undefined }))
  sums.add(attempt({ maxTokens: 20 }))
  sums.add(attempt({ cost: { priced: false, reason: 'unknown_model' } }))
  expect(sums.summary().losses.oversized).toEqual({ tokens: 160, answers: 2, picoUsd: 8n })
})

test('by tenant, model, day, route and tag, each exact', () => {
  const sums = summing(['tenant', 'model', 'day', 'route', 'tag:feature'])
  const terms = { serviceTier: 'flex' }
  expect(sums.add(attempt({ tenant: 'acme', tags: { user: 'u', feature: 'triage' }, terms }))).toBe(true)
  sums.add(attempt({ tenant: 'acme', startedAtMs: Date.UTC(2026, 10, 21, 23, 59, 59) }))
  sums.add(attempt({ startedAtMs: Date.UTC(2026, 10, 22) }))
  const { groups } = sums.summary()
  const counts = Object.entries(groups).map(([name, byValue]) => [
    name,
    Object.fromEntries([...byValue].map(([value, { picoUsd }]) => [value, Number(picoUsd)])),
  ])
  expect(Object.fromEntries(counts)).toEqual({
    tenant: { acme: 6, '-': 3 },
    model: { 'amazon.nova-lite-v1:0': 9 },
    day: { '2026-11-21': 6, '2026-11-22': 3 },
    route: {
      'feature=triage user=u Converse us.amazon.nova-lite-v1:0 flex': 3,
      'Converse us.amazon.nova-lite-v1:0': 6,
    },
    'tag:feature': { triage: 3, '-': 6 },
  })
})

test('the same attempt is counted once, another one of its call is not the same', () => {
  const sums = summing([])
  const record = attempt({})
  expect([record, record, { ...record, attempt: 2 }].map((each) => sums.add(each))).toEqual([
    true,
    false,
    true,
  ])
})
