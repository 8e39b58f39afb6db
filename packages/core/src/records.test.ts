import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { expect, test } from 'vitest'
import { callModel, runInScope } from './index.ts'
import { fakeModel } from './testing.ts'

test('records tell all of a request but its payload, its transport and the terms it asked for', async () => {
  const records: object[] = []
  const keep = (record: unknown): void => {
    records.push(record as object)
  }
  subscribe('sluice:attempt', keep)
  subscribe('sluice:call', keep)
  const request = { ...fakeModel().request(), temperature: 0.5, acceptsPartial: true }
  const { payload, transport, terms, ...told } = request
  try {
    await runInScope({ requestId: 'r-1', tenant: 'acme', tags: { feature: 'triage' } }, (scope) =>
      callModel(scope, request),
    )
  } finally {
    unsubscribe('sluice:attempt', keep)
    unsubscribe('sluice:call', keep)
  }
  const whose = {
    callId: 'r-1:1',
    scopeId: 'r-1',
    requestId: 'r-1',
    tenant: 'acme',
    tags: { feature: 'triage' },
  }
  expect(records).toMatchObject([
    { ...told, ...whose, attempt: 1 },
    { ...told, ...whose, attempts: 1 },
  ])
  for (const record of records) expect(Object.keys(record)).not.toContain('payload')
})
