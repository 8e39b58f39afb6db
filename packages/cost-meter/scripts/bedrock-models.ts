/**
 * Which ids of Bedrock have which price of genai-prices, one by one: its own matching is by parts of names, which gives
 * a model the price of its sibling. What is not listed here is not imported.
 */

/** Ways to call a model, and the entry of genai-prices that has the price. */
export interface Imported {
  readonly id: string
  readonly entry: string
  readonly routes?: readonly string[]
  readonly regions?: readonly string[]
}

/** Regions of the United States, which the list prices are for. */
export const listRegions = ['us-east-1', 'us-east-2', 'us-west-2']

/** From Claude 4.5 on, whatever is not `global` costs 10 % more, the same everywhere. */
const sinceClaude45: readonly (readonly [id: string, entry: string])[] = [
  ['anthropic.claude-sonnet-4-5-20250929-v1:0', 'anthropic.claude-sonnet-4-5-20250929-v1:0'],
  ['anthropic.claude-haiku-4-5-20251001-v1:0', 'anthropic.claude-haiku-4-5-20251001-v1:0'],
  ['anthropic.claude-opus-4-5-20251101-v1:0', 'anthropic.claude-opus-4-5-v1:0'],
  ['anthropic.claude-opus-4-6-v1', 'anthropic.claude-opus-4-6-v1:0'],
  ['anthropic.claude-sonnet-4-6', 'anthropic.claude-sonnet-4-6-v1:0'],
  ['anthropic.claude-opus-4-7', 'anthropic.claude-opus-4-7-v1:0'],
  ['anthropic.claude-opus-4-8', 'anthropic.claude-opus-4-8-v1:0'],
  ['anthropic.claude-sonnet-5', 'anthropic.claude-sonnet-5-v1:0'],
  ['anthropic.claude-opus-5', 'anthropic.claude-opus-5'],
  ['anthropic.claude-opus-5-5', 'anthropic.claude-opus-5-5'],
  ['anthropic.claude-fable-5', 'anthropic.claude-fable-5-v1:0'],
  ['anthropic.claude-fable-5-1', 'anthropic.claude-fable-5-1-v1:0'],
]

/** Older Claudes: one price, however they are called. */
const olderClaude = [
  'anthropic.claude-3-haiku-20240307-v1:0',
  'anthropic.claude-3-sonnet-20240229-v1:0',
  'anthropic.claude-3-opus-20240229-v1:0',
  'anthropic.claude-3-5-haiku-20241022-v1:0',
  'anthropic.claude-3-5-sonnet-20240620-v1:0',
  'anthropic.claude-3-5-sonnet-20241022-v2:0',
  'anthropic.claude-3-7-sonnet-20250219-v1:0',
  'anthropic.claude-opus-4-20250514-v1:0',
  'anthropic.claude-opus-4-1-20250805-v1:0',
]

/** List prices of the United States, in a Region and by the profile `us`. */
const withUsProfile = [
  'amazon.nova-micro-v1:0',
  'amazon.nova-lite-v1:0',
  'amazon.nova-pro-v1:0',
  'amazon.nova-premier-v1:0',
  'deepseek.r1-v1:0',
  'meta.llama3-1-8b-instruct-v1:0',
  'meta.llama3-1-70b-instruct-v1:0',
  'meta.llama3-2-1b-instruct-v1:0',
  'meta.llama3-2-3b-instruct-v1:0',
  'meta.llama3-2-11b-instruct-v1:0',
  'meta.llama3-2-90b-instruct-v1:0',
  'meta.llama3-3-70b-instruct-v1:0',
  'meta.llama4-maverick-17b-instruct-v1:0',
  'meta.llama4-scout-17b-instruct-v1:0',
  'mistral.pixtral-large-2502-v1:0',
  'writer.palmyra-x4-v1:0',
  'writer.palmyra-x5-v1:0',
]

/** List prices of the United States, in a Region only. */
const inRegion = [
  'amazon.titan-embed-text-v1',
  'amazon.titan-text-express-v1',
  'amazon.titan-text-lite-v1',
  'google.gemma-3-4b-it',
  'google.gemma-3-12b-it',
  'google.gemma-3-27b-it',
  'meta.llama3-8b-instruct-v1:0',
  'meta.llama3-70b-instruct-v1:0',
  'mistral.devstral-2-123b',
  'mistral.magistral-small-2509',
  'mistral.ministral-3-3b-instruct',
  'mistral.ministral-3-8b-instruct',
  'mistral.ministral-3-14b-instruct',
  'mistral.mistral-7b-instruct-v0:2',
  'mistral.mistral-large-2402-v1:0',
  'mistral.mistral-large-3-675b-instruct',
  'mistral.mistral-small-2402-v1:0',
  'mistral.mixtral-8x7b-instruct-v0:1',
  'openai.gpt-5.4',
  'openai.gpt-5.5',
  'openai.gpt-oss-20b-1:0',
  'openai.gpt-oss-120b-1:0',
  'qwen.qwen3-32b-v1:0',
  'qwen.qwen3-coder-30b-a3b-v1:0',
  'qwen.qwen3-coder-480b-a35b-v1:0',
]

export const imported: readonly Imported[] = [
  ...sinceClaude45.flatMap(([id, entry]): Imported[] => [
    { id, entry: `global.${entry}`, routes: ['global'] },
    { id, entry: `regional.${entry}`, routes: ['region', 'us', 'eu', 'apac', 'jp', 'au'] },
  ]),
  ...olderClaude.map((id) => ({ id, entry: `regional.${id}`, routes: ['region', 'us', 'eu', 'apac'] })),
  {
    id: 'anthropic.claude-sonnet-4-20250514-v1:0',
    entry: 'regional.anthropic.claude-sonnet-4-20250514-v1:0',
    routes: ['region', 'us', 'eu', 'apac', 'global'],
  },
  { id: 'amazon.nova-2-lite-v1:0', entry: 'global.amazon.nova-2-lite-v1:0', routes: ['global'] },
  { id: 'amazon.nova-2-lite-v1:0', entry: 'regional.amazon.nova-2-lite-v1:0', routes: ['us'] },
  { id: 'amazon.nova-2-lite-v1:0', entry: 'regional.amazon.nova-2-lite-v1:0', regions: listRegions },
  ...['openai.gpt-5.6-sol', 'openai.gpt-5.6-terra', 'openai.gpt-5.6-luna'].flatMap((id): Imported[] => [
    { id, entry: `global.${id}`, routes: ['global'] },
    { id, entry: `regional.${id}`, routes: ['us'] },
    { id, entry: `regional.${id}`, regions: listRegions },
  ]),
  ...withUsProfile.map((id): Imported => ({ id, entry: id, routes: ['us'] })),
  ...[...withUsProfile, ...inRegion].map((id): Imported => ({ id, entry: id, regions: listRegions })),
]
