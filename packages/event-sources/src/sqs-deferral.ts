/** What becomes of messages that are not done through no fault of their own. */

import { type FinishContext, outcomesById, type RecordOutcome, type UnfulfilledRecord } from '@sluice/core'
import { deferralWaitMs } from './deferral-wait.ts'
import type { SqsMessage } from './parse/sqs-event.ts'
import { firstSentMs, type SqsClient, sqsQueue } from './sqs-queue.ts'

export interface SqsDeferralOptions {
  /**
   * Whether a deferred message comes again when its error says so. Otherwise it comes when the visibility time-out of the
   * queue is over, and SQS is not called.
   *
   * @default true
   */
  readonly defer?: boolean
  /**
   * A client of `@aws-sdk/client-sqs`.
   *
   * @default one is made when it is needed, of the function's Region
   */
  readonly client?: SqsClient
  /**
   * After how many receives the queue gives a message up.
   *
   * @default what the queue says, asked once for each sandbox
   */
  readonly maxReceiveCount?: number
  /**
   * What becomes of a deferred message two receives before it would be given up. `fail`: it is not deferred any more, but
   * has failed for the reason it has. `sendAgain`: a copy is sent, whose receives count from one, and the message is
   * done; in a FIFO queue, whose order that would break, it fails.
   *
   * @default 'fail'
   */
  readonly atReceiveLimit?: 'fail' | 'sendAgain'
  /**
   * When a deferred message comes again if its error does not say: after this time, doubled with each receive. Messages
   * whose error does say are spread behind that, over so long a time at least.
   *
   * @default 10_000
   */
  readonly backoffMs?: number
  /** Numbers from 0 to 1 that spread the messages, which would else come all at once. Default `Math.random`. */
  readonly random?: () => number
}

/** SQS delays a message that is sent for so long at most. */
const longestDelayMs = 900_000

/** The outcomes as they are once the deferred messages have been handed back. */
export function sqsDeferral(
  factory: string,
  {
    defer = true,
    client,
    maxReceiveCount,
    atReceiveLimit = 'fail',
    backoffMs = 10_000,
    random = Math.random,
  }: SqsDeferralOptions,
): (
  outcomes: readonly RecordOutcome[],
  messages: readonly SqsMessage[],
  context: FinishContext,
) => Promise<readonly RecordOutcome[]> {
  checkOptions(factory, { maxReceiveCount, atReceiveLimit, backoffMs })
  const queue = sqsQueue(client, maxReceiveCount)

  return async function deferMessages(outcomes, messages, { clock, signal }) {
    const [first] = messages
    if (!defer || first?.queueArn === undefined) return outcomes
    const limit = await queue.receiveLimit(first.queueArn, signal)
    const outcomeOf = outcomesById(outcomes)
    const leaders = new Map<string, Plan>()
    const plans: Plan[] = []

    for (const message of messages) {
      const outcome = outcomeOf(message.id)
      const { group } = message
      // Of a group all come back together, or the first would wait for those behind it.
      const leader = group === undefined ? undefined : leaders.get(group)
      if (outcome.status === 'fulfilled') continue
      const ageMs = message.sentMs === undefined ? undefined : clock.now() - firstSentMs(message)
      const told = ageMs === undefined ? outcome : { ...outcome, ageMs: Math.max(0, ageMs) }
      const plan = leader ? { ...leader, message, outcome: told } : planOf(message, told)
      if (group !== undefined && !leader) leaders.set(group, plan)
      plans.push(plan)
    }

    function planOf(message: SqsMessage, outcome: UnfulfilledRecord): Plan {
      if (outcome.status === 'failed') return { message, outcome, action: 'none', waitMs: 0 }
      const { retryAfterMs, ageMs = 0 } = outcome
      const { receiveCount } = message
      const sendsAgain = atReceiveLimit === 'sendAgain' && message.group === undefined
      const countsReceives = limit < Infinity && !sendsAgain
      const among = random()
      const told = { retryAfterMs, receiveCount, ageMs, countsReceives }
      const waitMs = deferralWaitMs({ ...told, backoffMs, random: among })
      const plan = { message, outcome, waitMs }
      if (receiveCount < limit - 2) return { ...plan, action: 'wait' }
      if (!sendsAgain) return { ...plan, action: 'fail' }
      // Those that would wait for longer must not all come in the same second either.
      return { ...plan, action: 'send', waitMs: Math.min(waitMs, longestDelayMs * (1 - among / 4)) }
    }

    const waiting = plans.filter(({ action }) => action === 'wait')
    const sending = plans.filter(({ action }) => action === 'send')
    const [hidden, sent] = await Promise.all([
      queue.hide(
        waiting.map(({ message, waitMs }) => ({ message, seconds: seconds(waitMs) })),
        signal,
      ),
      queue.sendAgain(
        sending.map(({ message, waitMs }) => ({ message, seconds: seconds(waitMs) })),
        signal,
      ),
    ])
    const changed = plans.map(({ message, outcome, action, waitMs }): RecordOutcome => {
      if (hidden.has(message)) return { ...outcome, retryAfterMs: seconds(waitMs) * 1_000 }
      if (sent.has(message)) return { ...outcome, orderedAgain: true }
      return action === 'fail' ? { ...outcome, status: 'failed' } : outcome
    })
    const unchanged = outcomes.filter(({ status }) => status === 'fulfilled')
    return [...unchanged, ...changed]
  }
}

interface Plan {
  readonly message: SqsMessage
  readonly outcome: UnfulfilledRecord
  readonly action: 'none' | 'wait' | 'send' | 'fail'
  readonly waitMs: number
}

function seconds(milliseconds: number): number {
  return Math.ceil(milliseconds / 1_000)
}

function checkOptions(
  factory: string,
  options: { maxReceiveCount: number | undefined; atReceiveLimit: string; backoffMs: number },
): void {
  const { maxReceiveCount, atReceiveLimit, backoffMs } = options
  if (maxReceiveCount !== undefined && !(Number.isInteger(maxReceiveCount) && maxReceiveCount > 0)) {
    throw new TypeError(
      `${factory}: maxReceiveCount is ${String(maxReceiveCount)}. Give a whole number above 0.`,
    )
  }
  if (atReceiveLimit !== 'fail' && atReceiveLimit !== 'sendAgain') {
    throw new TypeError(
      `${factory}: atReceiveLimit is '${String(atReceiveLimit)}'. Give 'fail' or 'sendAgain'.`,
    )
  }
  if (!(backoffMs >= 0 && backoffMs < Infinity)) {
    throw new TypeError(`${factory}: backoffMs is ${String(backoffMs)}. Give a time in milliseconds.`)
  }
}
