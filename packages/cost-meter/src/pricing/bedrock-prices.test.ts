import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { generateCatalogue } from '../../scripts/generate-catalogue.ts'
import prices from './bedrock-prices.json' with { type: 'json' }
import { catalogueOf } from './catalogue.ts'

test('the catalogue is what the script makes of its source and of the amendments', () => {
  const manifest = new URL('../package.json', import.meta.resolve('@pydantic/genai-prices'))
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }
  const { catalogue, remarks } = generateCatalogue(version, prices.asOf)
  expect(prices).toEqual(catalogue)
  expect(remarks.filter((remark) => !remark.startsWith('Not in bedrock-models.ts'))).toEqual([])
})

test('every price is one', () => {
  expect(() => catalogueOf([prices])).not.toThrow()
})

test('it is small', () => {
  expect(gzipSync(JSON.stringify(prices)).length).toBeLessThanOrEqual(10_000)
})
