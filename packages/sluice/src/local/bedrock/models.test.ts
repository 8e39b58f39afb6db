import { describe, expect, test } from 'vitest'
import { baseModelOf, limitsOf } from './models.ts'

describe('models', () => {
  test.each([
    ['eu.anthropic.claude-sonnet-4-5-20250929-v1:0', 'anthropic.claude-sonnet-4-5-20250929-v1:0'],
    ['us-gov.amazon.nova-pro-v1:0', 'amazon.nova-pro-v1:0'],
    ['meta.llama3-70b-instruct-v1:0', 'meta.llama3-70b-instruct-v1:0'],
    [
      'arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.amazon.nova-lite-v1:0',
      'amazon.nova-lite-v1:0',
    ],
    ['arn:aws-us-gov:bedrock:us-gov-west-1:1:provisioned-model/abc', 'abc'],
  ])('%s is %s', (modelId, base) => {
    expect(baseModelOf(modelId)).toBe(base)
  })

  test.each([
    '',
    'claude',
    'anthropic.',
    'arn:aws:s3:::bucket/x',
    'anthropic.claude v1',
    '../anthropic.claude',
    'toString',
  ])('%o is no model', (modelId) => {
    expect(() => baseModelOf(modelId)).toThrow('The provided model identifier is invalid.')
  })

  test('own limits win, also over unknown ids', () => {
    expect(baseModelOf('mine', { mine: {} })).toBe('mine')
    expect(limitsOf('mine', 'mine', { mine: { maxTokens: 7 } })).toEqual({
      contextTokens: 128_000,
      maxTokens: 7,
      burndown: 1,
    })
    const base = 'anthropic.claude-opus-4-8-v1:0'
    expect(limitsOf(`eu.${base}`, base, { [base]: { contextTokens: 5 } })).toEqual({
      contextTokens: 5,
      maxTokens: 64_000,
      burndown: 15,
    })
  })
})
