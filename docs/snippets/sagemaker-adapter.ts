import middy from '@middy/core'
import { modelInvocation } from '@sluice/model-invocation'
import { type SageMakerAdapter, sagemaker } from '@sluice/model-invocation/sagemaker'

interface Rating {
  readonly stars: number
}

/** A container that answers with a number and nothing else. */
const stars: SageMakerAdapter<string, Rating> = {
  contentType: 'text/plain',
  accept: 'text/plain',
  write: (text) => text,
  read(body) {
    const stars = Number(body)
    if (!(stars >= 1 && stars <= 5)) throw new TypeError('no rating')
    return { message: { stars }, text: body }
  },
}

export const handler = middy<{ text: string }>()
  .use(modelInvocation({ model: sagemaker('ratings', { adapter: stars }) }))
  .handler(async ({ text }, { model }) => (await model.invoke(text)).message.stars)
