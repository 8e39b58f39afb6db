/** Refusals in words: what there was too little of, by how much, and what to do. No prompt is quoted. */

import type { ModelRequest } from '@sluice/core'
import type { Demand } from './demand.ts'
import type { QuotaLimitName } from './quota-exceeded-error.ts'

/** What a call was refused for. */
export interface Refused {
  readonly limit: QuotaLimitName
  readonly waitMs: number
  readonly overBy: number
}

export function refusal(
  { modelId, maxTokens, estimatedInputTokens }: ModelRequest,
  { tokens }: Demand,
  { limit, waitMs, overBy }: Refused,
): string {
  const asked = `${tokens} tokens (${estimatedInputTokens} of the prompt, ${maxTokens ?? tokens - estimatedInputTokens} for the answer)`
  if (waitMs === Infinity) {
    return `The call to ${modelId} takes ${asked}: more than the quota ever holds at once. Lower maxTokens, or shorten the prompt.`
  }
  const seconds = `${(waitMs / 1000).toFixed(1)} s`
  if (limit === 'daily')
    return `The tokens of the day of ${modelId} are used up. The next try is in ${seconds}.`
  if (limit === 'store')
    return `The quota of ${modelId} cannot be asked for, so nothing is sent. Try again in ${seconds}.`
  const what =
    limit === 'tenant'
      ? 'the share of this tenant'
      : limit === 'requests'
        ? 'the requests of a minute'
        : 'the quota'
  return (
    `The call to ${modelId} takes ${asked}; ${what} is short of ${overBy}, and the wait of about ${seconds} is longer ` +
    'than it may be. Come back later, or lower maxTokens.'
  )
}
