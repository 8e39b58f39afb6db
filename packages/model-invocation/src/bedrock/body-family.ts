/** Which models understand the same body of InvokeModel. */

import { SluiceError } from '@sluice/core'
import { baseModelOf } from './model-id.ts'

/**
 * Refuses to send a body that was written for one model to another one of another family. What hides its model is
 * believed to fit; vectors of another model are no substitute, whoever made it.
 */
export function checkBodyFits(modelId: string, otherModelId: string): void {
  const [model, other] = [baseModelOf(modelId), baseModelOf(otherModelId)]
  const [family, otherFamily] = [familyOf(model), familyOf(other)]
  const isKnown = family !== undefined && otherFamily !== undefined
  if (model === other || (!/embed/.test(model + other) && (!isKnown || family === otherFamily))) return
  throw new SluiceError(
    `The body of a request to ${modelId} means nothing to ${otherModelId}. Name a model of the same family, or use Converse.`,
    { code: 'invalid_request', statusCode: 400 },
  )
}

function familyOf(baseModelId: string): string | undefined {
  return /^(?:amazon\.[a-z]+|[a-z0-9]+(?=\.))/.exec(baseModelId)?.[0]
}
