/** Ids under which a model is called, and the one model behind them. */

const profilePrefix = /^(?:us|eu|apac|jp|au|ca|sa|me|af|us-gov|global)\./
const resource =
  /^arn:[^:]+:bedrock:[^:]*:[^:]*:(foundation-model|inference-profile|provisioned-model|application-inference-profile|imported-model|custom-model-deployment|prompt|default-prompt-router|prompt-router)\/(.+)$/

/**
 * The base model of an id, an inference profile or an ARN. What hides its model (an application inference profile,
 * provisioned throughput) is returned as it is: nothing can be guessed from it.
 */
export function baseModelOf(modelId: string): string {
  const found = resource.exec(modelId)
  const name =
    found && (found[1] === 'foundation-model' || found[1] === 'inference-profile')
      ? (found[2] as string)
      : modelId
  return name.replace(profilePrefix, '')
}

/**
 * Whether a body of InvokeModel that was written for one model can be sent to another. What hides its model is believed
 * to fit; vectors of another model are no substitute, whoever made it.
 */
export function understandsBodyOf(modelId: string, otherModelId: string): boolean {
  const [model, other] = [baseModelOf(modelId), baseModelOf(otherModelId)]
  if (model === other) return true
  if (/embed/.test(model + other)) return false
  const [family, otherFamily] = [familyOf(model), familyOf(other)]
  return family === undefined || otherFamily === undefined || family === otherFamily
}

function familyOf(baseModelId: string): string | undefined {
  return /^(?:amazon\.[a-z]+|[a-z0-9]+(?=\.))/.exec(baseModelId)?.[0]
}
