import { runInScope, type Scope, type ScopeOptions } from '@sluice/core'
import { afterEach, expect, test, vi } from 'vitest'
import { type BudgetLimit, openLimits } from './limit.ts'

afterEach(() => vi.unstubAllEnvs())

const inScope = (options: ScopeOptions, work: (scope: Scope) => void) =>
  runInScope(options, async (scope) => work(scope))

test('each has an owner and a name', async () => {
  vi.stubEnv('AWS_LAMBDA_FUNCTION_NAME', 'triage')
  const budgetsOf = openLimits([
    { per: 'tenant', period: 'month', hardUsd: 50, softUsd: 40.25 },
    { per: 'function', period: 'day', softUsd: 1 },
    { per: { tag: 'feature' }, period: { rollingMs: 3_600_000 }, hardUsd: 0 },
    { per: 'all', period: 'day', hardUsd: 0.000001, name: 'everything' },
  ])
  await inScope({ tenant: 'acme', tags: { feature: 'chat' } }, (scope) => {
    expect(budgetsOf(scope)).toMatchObject([
      { name: 'tenant-month', owner: 'acme', hard: 50_000_000_000_000n, soft: 40_250_000_000_000n },
      { name: 'function-day', owner: 'triage', hard: undefined, soft: 1_000_000_000_000n },
      { name: 'feature-rolling-3600000', owner: 'chat', hard: 0n },
      { name: 'everything', owner: '', hard: 1_000_000n },
    ])
  })
  await inScope({}, (scope) => {
    expect(budgetsOf(scope).map(({ owner }) => owner)).toEqual(['', 'triage', '', ''])
  })
})

test('an amount may depend on the owner, and may be none', async () => {
  const plans: Record<string, number> = { acme: 5 }
  const budgetsOf = openLimits([{ per: 'tenant', period: 'day', hardUsd: (tenant) => plans[tenant] }])
  await inScope({ tenant: 'acme' }, (scope) =>
    expect(budgetsOf(scope)).toMatchObject([{ hard: 5_000_000_000_000n }]),
  )
  await inScope({ tenant: 'other' }, (scope) => expect(budgetsOf(scope)).toEqual([]))
  const wrong = openLimits([{ per: 'tenant', period: 'day', hardUsd: () => Number.NaN }])
  await inScope({}, (scope) => expect(() => wrong(scope)).toThrow(/limits\[0\]\.hardUsd is NaN/))
})

test.each<[string, readonly unknown[], RegExp]>([
  ['none', [], /limits is empty/],
  ['nothing limited', [{ per: 'all', period: 'day' }], /limits\[0\] limits nothing/],
  ['a negative amount', [{ per: 'all', period: 'day', softUsd: -1 }], /limits\[0\]\.softUsd is -1/],
  ['no amount', [{ per: 'all', period: 'day', hardUsd: Infinity }], /limits\[0\]\.hardUsd is Infinity/],
  ['a text', [{ per: 'all', period: 'day', hardUsd: '5' }], /hardUsd is 5/],
  ['a period', [{ per: 'all', period: 'week', hardUsd: 1 }], /limits\[0\]\.period is "week"/],
  ['no period', [{ per: 'all', hardUsd: 1 }], /limits\[0\]\.period is undefined/],
  ['nobody', [{ period: 'day', hardUsd: 1 }], /limits\[0\]\.per is undefined/],
  ['somebody else', [{ per: 'user', period: 'day', hardUsd: 1 }], /limits\[0\]\.per is "user"/],
  ['a tag without a name', [{ per: { tag: '' }, period: 'day', hardUsd: 1 }], /per is \{"tag":""\}/],
  ['a window', [{ per: 'all', period: { rollingMs: 0 }, hardUsd: 1 }], /period is \{"rollingMs":0\}/],
  ['a zone', [{ per: 'all', period: 'day', timeZone: 'Berlin', hardUsd: 1 }], /timeZone is "Berlin"/],
  ['a name', [{ per: 'all', period: 'day', name: 'a#b', hardUsd: 1 }], /limits\[0\]\.name is "a#b"/],
  [
    'two of a name',
    [
      { per: 'tenant', period: 'day', hardUsd: 1 },
      { per: 'tenant', period: 'day', softUsd: 1 },
    ],
    /two limits are named "tenant-day"/,
  ],
])('%s is refused at start', (_, limits, message) => {
  expect(() => openLimits(limits as readonly BudgetLimit[])).toThrow(TypeError)
  expect(() => openLimits(limits as readonly BudgetLimit[])).toThrow(message)
})
