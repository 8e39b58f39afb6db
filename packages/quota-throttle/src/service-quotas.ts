/** The quotas of an account, as Service Quotas tells them. */

import type { QuotaOptions, Quotas } from './quotas.ts'

/** What of `@aws-sdk/client-service-quotas` is needed: `(input) => client.send(new ListServiceQuotasCommand(input))`. */
export type ListServiceQuotas = (input: {
  readonly ServiceCode: string
  readonly MaxResults: number
  readonly NextToken?: string | undefined
}) => Promise<{
  readonly Quotas?:
    | readonly { readonly QuotaName?: string | undefined; readonly Value?: number | undefined }[]
    | undefined
  readonly NextToken?: string | undefined
}>

export interface QuotasFromServiceQuotasOptions {
  /** Asks Service Quotas; needs `servicequotas:ListServiceQuotas`. */
  readonly list: ListServiceQuotas
  /**
   * Which models, by the head of their base id, and under which words Service Quotas has them: its answers hold no model
   * ids. `{ 'anthropic.claude-sonnet-4-5': 'Anthropic Claude Sonnet 4.5' }`.
   */
  readonly models: Readonly<Record<string, string>>
  /** Which kind of profile is called: none, that of a geography (`eu.`), or `global.`. */
  readonly scope: 'on-demand' | 'cross-region' | 'global'
}

/**
 * Reads the quotas of models from the account, once, with the first call.
 *
 * @returns what `quotaThrottle({ quotas })` takes
 * @throws TypeError, from that function, when the account has no quota of such a name: the error lists those that are near
 *
 * @example
 * ```ts
 * import { quotasFromServiceQuotas } from '@sluice/quota-throttle'
 *
 * export const quotas = quotasFromServiceQuotas({
 *   list: async () => ({
 *     Quotas: [{ QuotaName: 'Cross-region model inference tokens per minute for Amazon Nova Lite', Value: 400_000 }],
 *   }),
 *   models: { 'amazon.nova-lite': 'Amazon Nova Lite' },
 *   scope: 'cross-region',
 * })
 * ```
 */
export function quotasFromServiceQuotas({
  list,
  models,
  scope,
}: QuotasFromServiceQuotasOptions): () => Promise<QuotaOptions> {
  return async function readQuotas() {
    const values = new Map<string, number>()
    let NextToken: string | undefined
    do {
      const page = await list({ ServiceCode: 'bedrock', MaxResults: 100, NextToken })
      for (const { QuotaName, Value } of page.Quotas ?? []) {
        if (QuotaName !== undefined && Value !== undefined) values.set(normal(QuotaName), Value)
      }
      NextToken = page.NextToken
    } while (NextToken !== undefined)
    return Object.fromEntries(
      Object.entries(models).map(([head, words]) => [head, quotasNamed(values, words, scope)]),
    )
  }
}

const scopeWords = {
  'on-demand': 'on-demand model inference',
  'cross-region': 'cross-region model inference',
  global: 'global cross-region model inference',
} as const

function quotasNamed(
  values: ReadonlyMap<string, number>,
  words: string,
  scope: keyof typeof scopeWords,
): Quotas {
  const value = (unit: string) => values.get(normal(`${scopeWords[scope]} ${unit} for ${words}`))
  const tokensPerMinute = value('tokens per minute')
  const requestsPerMinute = value('requests per minute')
  if (tokensPerMinute === undefined && requestsPerMinute === undefined) {
    const near = [...values.keys()].filter((name) => name.includes(normal(words))).slice(0, 5)
    throw new TypeError(
      `quotasFromServiceQuotas: there is no quota "${scopeWords[scope]} tokens per minute for ${words}". ` +
        (near.length > 0
          ? `Near: ${near.join('; ')}.`
          : 'No quota of the account has these words in its name.'),
    )
  }
  return {
    ...(tokensPerMinute !== undefined && { tokensPerMinute }),
    ...(requestsPerMinute !== undefined && { requestsPerMinute }),
  }
}

function normal(name: string): string {
  return name.toLowerCase().replaceAll(/\s+/g, ' ').trim()
}
