import { expect, test } from 'vitest'
import { meteredRecords } from './metered-records.ts'

const line = (record: object) => JSON.stringify({ _aws: { Timestamp: 1 }, CostUsd: 1, sluice: record })
const priced = (usd: string) => ({ kind: 'attempt', cost: { priced: true, usd } })

test('records are found among other lines, and their costs add up exactly', () => {
  const { attempts, calls, usd } = meteredRecords([
    'START RequestId: 1',
    line(priced('0.1')),
    `2026-11-21T12:00:00.000Z\tr-1\tINFO\t${line(priced('0.2'))}`,
    line({ kind: 'attempt', cost: { priced: false, reason: 'unknown_model' } }),
    line({ kind: 'call', sent: 1 }),
    line({ kind: 'invocation' }),
    '{"_aws":{},"Other":1}',
  ])
  expect({ attempts: attempts.length, calls: calls.length, usd }).toEqual({
    attempts: 3,
    calls: 1,
    usd: '0.3',
  })
})

test('no lines, no cost', () => {
  expect(meteredRecords([])).toEqual({ attempts: [], calls: [], usd: '0' })
})
