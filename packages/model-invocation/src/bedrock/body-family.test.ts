import { expect, test } from 'vitest'
import { checkBodyFits } from './body-family.ts'

const sonnet = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0'
const profile = 'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc'

test.each([
  [sonnet, 'anthropic.claude-sonnet-4-5-20250929-v1:0'],
  [sonnet, 'global.anthropic.claude-haiku-4-5-20251001-v1:0'],
  [sonnet, `arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-haiku-4-5-20251001-v1:0`],
  ['amazon.nova-lite-v1:0', 'eu.amazon.nova-pro-v1:0'],
  ['amazon.titan-embed-text-v2:0', 'amazon.titan-embed-text-v2:0'],
  [sonnet, profile],
  [profile, 'amazon.nova-lite-v1:0'],
])('a body for %s is one for %s', (one, other) => {
  expect(() => checkBodyFits(one, other)).not.toThrow()
  expect(() => checkBodyFits(other, one)).not.toThrow()
})

test.each([
  [sonnet, 'us.amazon.nova-lite-v1:0'],
  ['amazon.nova-lite-v1:0', 'amazon.titan-text-express-v1'],
  ['mistral.mistral-large-2402-v1:0', 'us.meta.llama3-3-70b-instruct-v1:0'],
  ['amazon.titan-embed-text-v1', 'amazon.titan-embed-text-v2:0'],
  ['cohere.embed-english-v3', 'cohere.embed-multilingual-v3'],
  ['cohere.embed-english-v3', profile],
])('a body for %s is none for %s', (one, other) => {
  expect(() => checkBodyFits(one, other)).toThrow(
    expect.objectContaining({ code: 'invalid_request', statusCode: 400 }),
  )
  expect(() => checkBodyFits(other, one)).toThrow(/Name a model of the same family, or use Converse/)
})
