import middy from '@middy/core'
import { modelInvocation } from '@sluice/model-invocation'
import { bedrockEmbedding } from '@sluice/model-invocation/bedrock'

const model = bedrockEmbedding('cohere.embed-multilingual-v3')

/** The passage that is nearest to a question. */
export const handler = middy<{ question: string; passages: string[] }>()
  .use(modelInvocation({ model, contextKey: 'embedding' }))
  .handler(async ({ question, passages }, { embedding }) => {
    const [asked, known] = await Promise.all([
      embedding.embed([question], { purpose: 'search_query' }),
      embedding.embed(passages),
    ])
    const [query = []] = asked.vectors
    const scores = known.vectors.map((vector) => dot(vector, query))
    return { nearest: passages[scores.indexOf(Math.max(...scores))] }
  })

function dot(one: readonly number[], other: readonly number[]): number {
  return one.reduce((sum, value, index) => sum + value * (other[index] ?? 0), 0)
}
