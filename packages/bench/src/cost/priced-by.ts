import { calcPrice } from '@pydantic/genai-prices'
import { type Catalogue, type Priceable, priceBook, priceOf, usdText } from '@sluice/cost-meter'
import { getTokenCosts } from 'tokenlens'
import { amazon_bedrockModels as bedrockModels } from 'tokenlens/providers/amazon-bedrock'

/** Who turns usage into money. */
export type Pricer = 'sluice' | 'genaiPrices' | 'tokenlens'

/** USD as the pricer gives it: exact text or a float; `undefined` when it knows no price. */
export type Answer = string | number | undefined

/** Each as its own documentation has it, told whatever its interface can be told. */
export type Pricers = Readonly<Record<Pricer, (item: Priceable) => Answer>>

export async function pricers(): Promise<Pricers> {
  const catalogue: Catalogue = await priceBook().open('')
  return { sluice: (item) => bySluice(item, catalogue), genaiPrices: byGenaiPrices, tokenlens: byTokenlens }
}

function bySluice(item: Priceable, catalogue: Catalogue): Answer {
  const price = priceOf(item, catalogue)
  return price.priced ? usdText(price.picoUsd) : undefined
}

/** Its input tokens include those of the cache, its cache writes include those for an hour. */
function byGenaiPrices({ modelId, usage, atMs }: Priceable): Answer {
  const { inputTokens, outputTokens, cacheReadTokens, cacheWrite5mTokens, cacheWrite1hTokens } = usage
  const cacheWriteTokens = cacheWrite5mTokens + cacheWrite1hTokens
  const price = calcPrice(
    {
      input_tokens: inputTokens + cacheReadTokens + cacheWriteTokens,
      output_tokens: outputTokens,
      cache_read_tokens: cacheReadTokens,
      cache_write_tokens: cacheWriteTokens,
      ...(cacheWrite1hTokens > 0 && { cache_write_1h_tokens: cacheWrite1hTokens }),
    },
    modelId,
    { providerId: 'aws', timestamp: new Date(atMs) },
  )
  return price?.total_price
}

const providers = { 'amazon-bedrock': bedrockModels }

function byTokenlens({ modelId, usage }: Priceable): Answer {
  const { inputTokens, outputTokens, cacheReadTokens, cacheWrite5mTokens, cacheWrite1hTokens } = usage
  const cost = getTokenCosts({
    modelId: `amazon-bedrock/${modelId}`,
    providers,
    usage: {
      input: inputTokens,
      output: outputTokens,
      cacheReads: cacheReadTokens,
      cacheWrites: cacheWrite5mTokens + cacheWrite1hTokens,
    },
  })
  return cost.totalUSD
}
