/** Who may be asked, in which order, and how a request is made theirs. */

import { type ModelRequest, SluiceError, type SluiceErrorCode } from '@sluice/core'

/** A model that takes over the requests of others, by its own client and with its own settings. Made by `bedrock()`. */
export interface Substitute {
  readonly modelId: string
  /** Whether a request is its own already. */
  owns(request: ModelRequest): boolean
  /**
   * The request as it would have made it: what only the other model understands is left out, its own settings count.
   *
   * @throws SluiceError with the code `invalid_request` when the request is not one of Converse
   */
  adopt(request: ModelRequest): ModelRequest
}

export interface Candidate {
  /** The id of a model of the same provider, for the same request by the same client; or a provider such as `bedrock()`. */
  readonly model: string | Substitute
  /**
   * After which failures of the one before it is asked: codes of errors, or a function.
   *
   * @default throttled, daily_quota_exceeded, unavailable, model_failed, transport_failed, stream_interrupted (before any
   * content), access_denied, not_found
   */
  readonly when?: readonly SluiceErrorCode[] | ((error: unknown) => boolean)
  /**
   * How long this model may let the call wait, in milliseconds, for quota or for another try, before the next one is
   * asked instead. The time in which it answers does not count.
   *
   * @default no limit but the deadline
   */
  readonly maxWaitMs?: number
  /** Its share of the calls, in proportion to the other weights. All candidates have one, or none. */
  readonly weight?: number
}

/** @internal A candidate, and what a breaker knows it by. */
export interface Entry {
  readonly candidate: Candidate
  readonly key: string
}

/** @internal The list as its user gave it, checked. */
export function entriesOf(candidates: readonly (string | Substitute | Candidate)[]): readonly Entry[] {
  if (!Array.isArray(candidates) || candidates.length === 0) {
    throw new TypeError(
      'fallback: there are no candidates. Give ids of models, or providers such as bedrock().',
    )
  }
  const seen: string[] = []
  const list = candidates.map((given: string | Substitute | Candidate): Entry => {
    const candidate =
      typeof given === 'object' && given !== null && 'model' in given ? given : { model: given }
    const id = idOf(candidate)
    checkNumber(id, 'maxWaitMs', candidate.maxWaitMs, 0)
    checkNumber(id, 'weight', candidate.weight, Number.MIN_VALUE)
    // One model in two Regions is two that fail.
    const same = seen.filter((other) => other === id).length
    seen.push(id)
    return { candidate, key: same === 0 ? id : `${id}#${same + 1}` }
  })
  const weighted = list.filter(({ candidate }) => candidate.weight !== undefined)
  if (weighted.length > 0 && weighted.length < list.length) {
    throw new TypeError(
      'fallback: some candidates have a weight and some have none. Give one to all, or to none.',
    )
  }
  return list
}

function idOf({ model }: Candidate): string {
  const id =
    typeof model === 'string' ? model.trim() : typeof model?.adopt === 'function' ? model.modelId : ''
  if (id !== '') return id
  throw new TypeError(
    'fallback: a candidate is no model. Give an id such as "eu.amazon.nova-pro-v1:0", a provider such as bedrock(), or { model }.',
  )
}

function checkNumber(id: string, option: string, value: number | undefined, least: number): void {
  if (value === undefined || (Number.isFinite(value) && value >= least)) return
  throw new TypeError(`fallback: ${option} of ${id} is ${String(value)}. Give a number above 0.`)
}

/** @internal The candidates of one call, the first to be asked first. */
export function inLine(
  list: readonly Entry[],
  request: ModelRequest,
  random: () => number,
): readonly Entry[] {
  const { modelId } = request
  const own = list.find(({ candidate: { model } }) =>
    typeof model === 'string' ? model === modelId : model.owns(request),
  )
  const unlisted: Entry = { key: modelId, candidate: { model: modelId } }
  if (list[0]?.candidate.weight === undefined) {
    return [own ?? unlisted, ...list.filter((entry) => entry !== own)]
  }
  // Each draws a time, the shorter the heavier it is: the first to come is a fair draw, and so are all after it.
  const timed = list.map((entry) => ({
    entry,
    time: -Math.log(1 - random()) / (entry.candidate.weight as number),
  }))
  const drawn = timed.sort((a, b) => a.time - b.time).map(({ entry }) => entry)
  return own ? drawn : [unlisted, ...drawn]
}

/** @internal The request as a candidate would be asked it, or why it cannot be. */
export function requestTo({ model }: Candidate, request: ModelRequest): ModelRequest | SluiceError {
  try {
    if (typeof model !== 'string') return model.owns(request) ? request : model.adopt(request)
    if (model === request.modelId) return request
    if (request.transport.withModel) return request.transport.withModel(request, model)
    return new SluiceError(`The answers of ${model} are no substitute for those of ${request.modelId}.`, {
      code: 'invalid_request',
      statusCode: 400,
    })
  } catch (error) {
    if (SluiceError.is(error)) return error
    throw error
  }
}

/** @internal Failures after which it may be another one's turn. */
export const switching: readonly SluiceErrorCode[] = [
  'throttled',
  'daily_quota_exceeded',
  'quota_exceeded',
  'unavailable',
  'model_failed',
  'transport_failed',
  'stream_interrupted',
  'access_denied',
  'not_found',
]

/** @internal Whether a candidate is asked after a failure of the one before. */
export function answersTo({ when = switching }: Candidate, error: unknown): boolean {
  if (typeof when === 'function') return when(error)
  return SluiceError.is(error) && when.includes(error.code)
}
