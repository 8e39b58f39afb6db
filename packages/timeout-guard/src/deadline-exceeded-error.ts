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
    return `The deadline of the invocation ended the call to ${modelId} ${
      partial ? 'in the middle of its answer' : 'before its answer'
    }.`
  }
  return leftMs <= 0
    ? `${modelId} was not asked: the deadline of the invocation has passed.`
    : `${modelId} was not asked: it takes about ${neededMs} ms, and ${Math.round(leftMs)} ms are left until the deadline.`
}

const spentOn: Readonly<Record<keyof SpentMs, readonly [where: string, help: string]>> = {
  queue: ['before the call', 'Give the function less to do at once, or more time.'],
  quota: ['waiting for quota', 'Ask for more quota, or run less at once.'],
  retry: ['between attempts', 'Look why attempts fail.'],
  firstContent: ['waiting for the answer to begin', 'Give the function more time, or ask another model.'],
  stream: ['reading the answer', 'Give the function more time, or ask for fewer tokens.'],
}

function told(spentMs: SpentMs): string {
  const spent = (Object.entries(spentMs) as [keyof SpentMs, number][])
    .filter(([, durationMs]) => durationMs >= 1)
    .sort(([, a], [, b]) => b - a)
  const [most] = spent
  if (!most) return 'Give the function more time.'
  const parts = spent.map(([on, durationMs]) => `${Math.round(durationMs)} ms ${spentOn[on][0]}`)
  return `The time went to: ${parts.join(', ')}. ${spentOn[most[0]][1]}`
}
