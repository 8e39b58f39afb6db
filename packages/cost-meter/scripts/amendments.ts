/**
 * What the imported prices lack or have wrong, by hand, with the source of each. `update-prices.ts` says which of these
 * change an imported rate; one that changes nothing any more can go.
 */

import type { ModelPrices } from '../src/pricing/catalogue.ts'
import { listRegions } from './bedrock-models.ts'

export interface Amendment {
  readonly ids: readonly string[]
  /** Only prices of these routes. Without it: of all. */
  readonly routes?: readonly string[]
  readonly source: string
  /** The day on which the source was read. */
  readonly asOf: string
  change(prices: ModelPrices): ModelPrices
}

export interface Addition {
  readonly id: string
  readonly prices: readonly ModelPrices[]
}

const anthropic = { source: 'platform.claude.com/docs/en/about-claude/pricing', asOf: '2026-11-21' }
const awsToolkit = { source: 'github.com/aws/agent-toolkit-for-aws pricing-cache.md', asOf: '2026-11-21' }
const awsSolutions = {
  source: 'github.com/aws-solutions-library-samples accelerated-intelligent-document-processing pricing.yaml',
  asOf: '2026-11-21',
}
const portkey = { source: 'github.com/Portkey-AI/models pricing/bedrock.json', asOf: '2026-11-21' }

const withTerms =
  (terms: NonNullable<ModelPrices['terms']>) =>
  (prices: ModelPrices): ModelPrices => ({ ...prices, terms: { ...prices.terms, ...terms } })

export const amendments: readonly Amendment[] = [
  {
    // Cache writes that live for 1 hour cost twice the input; the models of Bedrock that offer them.
    ...anthropic,
    ids: [
      'anthropic.claude-sonnet-4-5-20250929-v1:0',
      'anthropic.claude-haiku-4-5-20251001-v1:0',
      'anthropic.claude-opus-4-5-20251101-v1:0',
      'anthropic.claude-opus-4-6-v1',
      'anthropic.claude-sonnet-4-6',
      'anthropic.claude-opus-4-7',
      'anthropic.claude-opus-4-8',
      'anthropic.claude-sonnet-5',
      'anthropic.claude-opus-5',
      'anthropic.claude-fable-5',
      'anthropic.claude-fable-5-1',
    ],
    change: (prices) => ({ ...prices, cacheWrite1h: times(prices.input, 2) }),
  },
  {
    // Long prompts: 2 x input and caches, 1.5 x output.
    ...awsToolkit,
    ids: ['anthropic.claude-sonnet-4-5-20250929-v1:0', 'anthropic.claude-sonnet-4-20250514-v1:0'],
    change: (prices) => ({
      ...prices,
      above: {
        tokens: 200_000,
        input: times(prices.input, 2),
        output: times(prices.output, 1.5),
        cacheRead: times(prices.cacheRead, 2),
        cacheWrite5m: times(prices.cacheWrite5m, 2),
        ...(prices.cacheWrite1h !== undefined && { cacheWrite1h: times(prices.cacheWrite1h, 2) }),
      },
    }),
  },
  {
    ...awsToolkit,
    ids: [
      'anthropic.claude-sonnet-4-5-20250929-v1:0',
      'anthropic.claude-haiku-4-5-20251001-v1:0',
      'anthropic.claude-opus-4-5-20251101-v1:0',
      'anthropic.claude-opus-4-6-v1',
      'anthropic.claude-sonnet-4-6',
      'amazon.nova-micro-v1:0',
      'amazon.nova-lite-v1:0',
      'amazon.nova-pro-v1:0',
      'amazon.nova-premier-v1:0',
      'meta.llama3-1-8b-instruct-v1:0',
      'meta.llama3-1-70b-instruct-v1:0',
      'meta.llama3-3-70b-instruct-v1:0',
      'meta.llama4-maverick-17b-instruct-v1:0',
      'meta.llama4-scout-17b-instruct-v1:0',
    ],
    change: withTerms({ batch: 0.5 }),
  },
  {
    ...awsToolkit,
    ids: ['amazon.nova-2-lite-v1:0'],
    change: withTerms({ flex: 0.5, priority: 1.75 }),
  },
  {
    ...awsToolkit,
    ids: ['amazon.nova-2-lite-v1:0'],
    routes: ['global'],
    change: withTerms({ batch: 0.5 }),
  },
  {
    ...awsToolkit,
    ids: ['amazon.nova-2-lite-v1:0'],
    routes: ['us', 'region'],
    change: withTerms({ batch: { input: 0.1595, output: 1.342 } }),
  },
  {
    ...awsToolkit,
    ids: ['amazon.nova-pro-v1:0'],
    routes: ['us'],
    change: withTerms({ optimized: { input: 1, output: 4 } }),
  },
  {
    ...awsToolkit,
    ids: ['meta.llama3-1-70b-instruct-v1:0'],
    routes: ['us'],
    change: withTerms({ optimized: { input: 0.9, output: 0.9 } }),
  },
  {
    // Cache writes of Nova cost what input costs.
    ...awsSolutions,
    ids: ['amazon.nova-lite-v1:0', 'amazon.nova-pro-v1:0'],
    change: (prices) => ({ ...prices, cacheWrite5m: times(prices.input, 1) }),
  },
  {
    ...portkey,
    ids: [
      'meta.llama4-maverick-17b-instruct-v1:0',
      'meta.llama4-scout-17b-instruct-v1:0',
      'mistral.pixtral-large-2502-v1:0',
    ],
    change: withTerms({ flex: 0.5, priority: 1.75 }),
  },
  {
    ...portkey,
    ids: [
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
      'openai.gpt-oss-20b-1:0',
      'openai.gpt-oss-120b-1:0',
      'qwen.qwen3-32b-v1:0',
      'qwen.qwen3-coder-30b-a3b-v1:0',
      'qwen.qwen3-coder-480b-a35b-v1:0',
    ],
    change: withTerms({ batch: 0.5, flex: 0.5, priority: 1.75 }),
  },
  { ...portkey, ids: ['amazon.titan-embed-text-v1'], change: withTerms({ batch: 0.5 }) },
]

const inUs = { regions: listRegions }

export const additions: readonly Addition[] = [
  {
    id: 'amazon.titan-embed-text-v2:0',
    prices: [{ ...inUs, input: 0.02, terms: { batch: 0.5 }, ...portkey }],
  },
  { id: 'cohere.embed-english-v3', prices: [{ ...inUs, input: 0.1, ...portkey }] },
  { id: 'cohere.embed-multilingual-v3', prices: [{ ...inUs, input: 0.1, ...portkey }] },
  { id: 'cohere.embed-v4:0', prices: [{ ...inUs, input: 0.12, ...portkey }] },
  { id: 'deepseek.v3.2', prices: [{ ...inUs, input: 0.62, output: 1.85, ...awsToolkit }] },
  { id: 'minimax.minimax-m2', prices: [{ ...inUs, input: 0.3, output: 1.2, ...awsToolkit }] },
  { id: 'minimax.minimax-m2.1', prices: [{ ...inUs, input: 0.3, output: 1.2, ...awsToolkit }] },
  { id: 'minimax.minimax-m2.5', prices: [{ ...inUs, input: 0.3, output: 1.2, ...awsToolkit }] },
  { id: 'ai21.jamba-1-5-large-v1:0', prices: [{ ...inUs, input: 2, output: 8, ...awsToolkit }] },
  { id: 'ai21.jamba-1-5-mini-v1:0', prices: [{ ...inUs, input: 0.2, output: 0.4, ...awsToolkit }] },
  { id: 'stability.stable-image-core-v1:0', prices: [{ ...inUs, image: 0.04, ...awsToolkit }] },
  { id: 'stability.stable-image-ultra-v1:0', prices: [{ ...inUs, image: 0.08, ...awsToolkit }] },
  { id: 'stability.sd3-5-large-v1:0', prices: [{ ...inUs, image: 0.065, ...awsToolkit }] },
]

/** In millionths of a dollar, so that 3.3 x 2 is 6.6. */
function times(usd: number | undefined, factor: number): number {
  if (usd === undefined) throw new Error('An amendment multiplies a rate that the source does not have.')
  return Math.round(usd * 1e6 * factor) / 1e6
}
