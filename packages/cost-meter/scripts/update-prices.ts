/**
 * Writes the built-in catalogue anew from the version of genai-prices that is installed. To update: raise the version of
 * `@pydantic/genai-prices` in package.json, `pnpm install`, `pnpm prices:update`, read the difference, run the tests.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { generateCatalogue } from './generate-catalogue.ts'

const target = new URL('../src/pricing/bedrock-prices.json', import.meta.url)
const manifest = new URL('../package.json', import.meta.resolve('@pydantic/genai-prices'))
const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }

const { catalogue, remarks } = generateCatalogue(version, new Date().toISOString().slice(0, 10))
const text = JSON.stringify(catalogue)
writeFileSync(target, text)
for (const remark of remarks) console.log(remark)
const models = Object.keys(catalogue.prices.bedrock ?? {}).length
console.log(`\n${models} models, ${gzipSync(text).length} bytes gzipped. Read the difference, run the tests.`)
