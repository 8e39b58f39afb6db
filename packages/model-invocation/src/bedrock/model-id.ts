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
