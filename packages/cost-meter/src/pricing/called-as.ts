/** How a model was called: through which kind of id, and where an ARN says it is. */

const profilePrefix = /^(us|eu|apac|jp|au|ca|in|sa|me|af|us-gov|global)\.(.+)$/
const arnOfModel = /^arn:[^:]+:bedrock:([^:]*):[^:]*:(foundation-model|inference-profile)\/(.+)$/
const arnOfOther = /^arn:[^:]+:[^:]+:([^:]*):/

export interface CalledAs {
  /** The model itself. */
  readonly baseId: string
  /** `region`, or the prefix of the inference profile. */
  readonly route: string
  /** Undefined where the id tells none. */
  readonly region: string | undefined
}

/** Nothing is guessed: an id of no known shape, or an ARN that hides its model, is its own base. */
export function calledAs(modelId: string): CalledAs {
  const arn = arnOfModel.exec(modelId)
  if (!arn) return { ...routeOf(modelId), region: arnOfOther.exec(modelId)?.[1] || undefined }
  const [, region, kind, name = ''] = arn
  const called = kind === 'inference-profile' ? routeOf(name) : { baseId: name, route: 'region' }
  return { ...called, region: region || undefined }
}

export function isApplicationProfile(modelId: string): boolean {
  return /^arn:[^:]+:bedrock:.*:application-inference-profile\//.test(modelId)
}

function routeOf(name: string): { baseId: string; route: string } {
  const [, prefix, base] = profilePrefix.exec(name) ?? []
  return prefix && base ? { baseId: base, route: prefix } : { baseId: name, route: 'region' }
}
