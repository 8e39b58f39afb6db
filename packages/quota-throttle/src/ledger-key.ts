/** Which ledger a call is charged to: account, Region, endpoint, kind of profile, base model. */

import { type ModelRequest, SluiceError } from '@sluice/core'

export interface LedgerKeyOptions {
  readonly account: string
  readonly region: string
  /** What stands behind ids that hide their model: application inference profiles, provisioned throughput. */
  readonly profiles: Readonly<Record<string, string>>
}

export interface LedgerKey {
  readonly key: string
  readonly baseModelId: string
}

const arn =
  /^arn:[^:]+:(?<service>bedrock|sagemaker):(?<region>[^:]*):(?<account>[^:]*):(?<kind>[^/]+)\/(?<name>.+)$/
const geography = /^(us|eu|apac|jp|au|ca|sa|me|af|us-gov)\./

/** Kinds of ARN that name their model. The others are somebody's own name for it. */
const plain = ['foundation-model', 'inference-profile']

/**
 * @throws SluiceError with the code `invalid_request` for an id that hides its model: nobody can tell whose quota it
 * takes, so `profiles` must. And for an endpoint whose rule is another one
 */
export function ledgerKey(
  { provider, modelId, baseModelId }: Pick<ModelRequest, 'provider' | 'modelId' | 'baseModelId'>,
  { account, region, profiles }: LedgerKeyOptions,
): LedgerKey {
  if (provider === 'bedrock-mantle') {
    throw new SluiceError(
      'quotaThrottle: the endpoint bedrock-mantle has quotas of its own, which count input and output apart. That rule ' +
        'is not supported: make these calls without the throttle. They take nothing of the quotas of bedrock-runtime.',
      { code: 'invalid_request', statusCode: 400, unbilled: true },
    )
  }
  const behind = profiles[modelId]
  const id = behind ?? modelId
  const found = arn.exec(id)?.groups
  if (found && found.service === 'bedrock' && !plain.includes(found.kind as string)) {
    throw new SluiceError(
      `quotaThrottle: the id ${modelId} hides its model, and with it the quota it takes. ` +
        `Add it to the option profiles: { '${modelId}': 'eu.anthropic.claude-…' }.`,
      { code: 'invalid_request', statusCode: 400, unbilled: true },
    )
  }
  const name = found ? (found.name as string) : id
  const scope = name.startsWith('global.') ? 'global' : (geography.exec(name)?.[1] ?? 'on-demand')
  const base = behind === undefined ? baseModelId : name.replace(/^global\./, '').replace(geography, '')
  const where = [found?.account || account, found?.region || region, `${provider}-runtime`]
  return { key: [...where, scope, base].join('/'), baseModelId: base }
}
