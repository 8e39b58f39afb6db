/** The error of a call for which the invocation has no time, or no more. */

import { SluiceError, type Usage } from '@sluice/core'
import type { SpentMs } from './stopwatch.ts'

export interface DeadlineExceededOptions {
  readonly modelId: string
  /** What was left when it happened, in milliseconds. */
  readonly leftMs: number
  /** For a call that was not begun: what it was expected to take. */
  readonly neededMs?: number | undefined
  readonly spentMs: SpentMs
  readonly partial: boolean
  readonly usage: Usage
  readonly unbilled: boolean
}

/**
 * The invocation has no time for a call: it was not sent, or was ended. Not tried again in this invocation; `retryable`,
 * because the next one has more time.
 */
export class DeadlineExceededError extends SluiceError {
  override name = 'DeadlineExceededError'
  /** Where the time of the invocation went. */
  readonly spentMs: SpentMs
  /** Whether any content had been delivered. */
  readonly partial: boolean
  /** Tokens of the attempt that was ended, estimated where the provider had not told them yet. */
  readonly usage: Usage

  constructor(options: DeadlineExceededOptions) {
    const { spentMs, partial, usage, unbilled } = options
    super(`${happened(options)} ${told(spentMs)}`, {
      code: 'deadline_exceeded',
      retryable: true,
      statusCode: 504,
      unbilled,
    })
    this.spentMs = spentMs
    this.partial = partial
    this.usage = usage
  }
}

function happened({ modelId, leftMs, neededMs, partial }: DeadlineExceededOptions): string {
  if (neededMs === undefined) {
    return `The deadline ended the call to ${modelId}${partial ? ' in the middle of its answer' : ''}.`
  }
  const needs = neededMs > 0 ? `, and it takes about ${neededMs} ms` : ''
  return `${modelId} was not asked: ${Math.max(0, Math.round(leftMs))} ms are left until the deadline${needs}.`
}

const spentOn: Readonly<Record<keyof SpentMs, string>> = {
  queue: 'before the call',
  quota: 'waiting for quota',
  retry: 'between attempts',
  firstContent: 'waiting for the answer to begin',
  stream: 'reading it',
}

function told(spentMs: SpentMs): string {
  const parts = (Object.keys(spentOn) as (keyof SpentMs)[])
    .filter((on) => spentMs[on] >= 1)
    .map((on) => `${Math.round(spentMs[on])} ms ${spentOn[on]}`)
  return `Spent: ${parts.join(', ') || 'nothing'}. Give the function more time, or less to do.`
}
