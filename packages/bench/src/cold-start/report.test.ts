import { expect, test } from 'vitest'
import { AA, summarize } from '../paired.ts'
import type { Bundle } from './bundle.ts'
import type { HandlerName } from './cold-start.ts'
import { coldStartReport } from './report.ts'

const arms: HandlerName[] = ['sdk', 'sluice']

function report({ sluiceGzipBytes = 106_000, sluiceImportMs = [64, 64, 65], aaMs = [60, 60, 61] } = {}) {
  const sdk: Bundle = {
    file: 'sdk.mjs',
    minifiedBytes: 300_000,
    gzipBytes: 100_000,
    packages: new Map([['@smithy/core', 300_000]]),
  }
  const sluice: Bundle = {
    file: 'sluice.mjs',
    minifiedBytes: 318_000,
    gzipBytes: sluiceGzipBytes,
    packages: new Map([
      ['@smithy/core', 300_000],
      ['@sluice/core', 9_000],
      ['@sluice/model-invocation', 6_000],
      ['@middy/core', 3_000],
    ]),
  }
  const imports = new Map<HandlerName | typeof AA, number[]>([
    ['sdk', [60, 60, 61]],
    ['sluice', sluiceImportMs],
    [AA, aaMs],
  ])
  const bundles = new Map<HandlerName | typeof AA, Bundle>([
    ['sdk', sdk],
    ['sluice', sluice],
    [AA, sdk],
  ])
  return coldStartReport(arms, bundles, summarize(imports))
}

const line = (text: string, start: string) => text.split('\n').find((row) => row.startsWith(start)) ?? ''

test('the JSON has the agreed shape', () => {
  expect(report().json).toEqual({
    gzipKb: { sdk: 100, sluice: 106 },
    importMs: { sdk: { median: 60, ci: [60, 61] }, sluice: { median: 64, ci: [64, 65] } },
  })
})

test('shares the added bytes out among the packages, against the budget of those present', () => {
  const { text } = report()
  expect(line(text, '@sluice/core + @sluice/model-invocation').split(/\s{2,}/)).toEqual([
    '@sluice/core + @sluice/model-invocation',
    '15.0',
    '5.0',
    '12',
  ])
  expect(line(text, 'all of it').split(/\s{2,}/)).toEqual(['all of it', '18.0', '6.0', '13.5', 'met'])
  expect(text).not.toContain('quota-throttle')
})

test('tells what is over its limit', () => {
  expect(line(report({ sluiceGzipBytes: 113_501 }).text, 'all of it')).toMatch(/MISSED$/)
  expect(line(report().text, 'import,')).toMatch(/met$/)
  // The median is within the limit, the upper end of the interval is not.
  expect(line(report({ sluiceImportMs: [64, 64, 67] }).text, 'import,')).toMatch(/MISSED$/)
})

test('a run whose A/A arm strays is void', () => {
  expect(report().voidReasons).toEqual([])
  expect(report({ aaMs: [66, 66, 67] }).voidReasons).toHaveLength(1)
})
