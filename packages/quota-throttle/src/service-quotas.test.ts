import { expect, test } from 'vitest'
import { quotasFromServiceQuotas } from './service-quotas.ts'

const pages = [
  {
    Quotas: [
      { QuotaName: 'Cross-region model inference tokens per minute for Amazon Nova Lite', Value: 400_000 },
      { QuotaName: 'Global cross-region model inference tokens per minute for Amazon Nova Lite', Value: 9 },
    ],
    NextToken: 'more',
  },
  {
    Quotas: [
      { QuotaName: 'Cross-region model  inference requests per minute for Amazon Nova Lite', Value: 200 },
      {
        QuotaName: 'On-demand model inference requests per minute for Amazon Titan Text Embeddings V2',
        Value: 6000,
      },
    ],
  },
]
const list = async ({ NextToken }: { readonly NextToken?: string | undefined }) => pages[NextToken ? 1 : 0]!

test('finds the quotas of a model by its words, over all pages', async () => {
  const models = { 'amazon.nova-lite': 'Amazon Nova Lite' }
  expect(await quotasFromServiceQuotas({ list, models, scope: 'cross-region' })()).toEqual({
    'amazon.nova-lite': { tokensPerMinute: 400_000, requestsPerMinute: 200 },
  })
  expect(await quotasFromServiceQuotas({ list, models, scope: 'global' })()).toEqual({
    'amazon.nova-lite': { tokensPerMinute: 9 },
  })
})

test('a name that is not there is an error with those that are near', async () => {
  const read = quotasFromServiceQuotas({ list, models: { 'amazon.nova': 'amazon nova' }, scope: 'on-demand' })
  await expect(read()).rejects.toThrow(
    /no quota "on-demand model inference tokens per minute for amazon nova".*Near: cross-region model inference tokens/,
  )
})
