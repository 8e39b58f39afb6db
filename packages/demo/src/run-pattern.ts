/** Sends messages through one pattern, in a local cloud of its own. */
import { type FaultRule, type LocalFunction, type LocalQueue, type LogLine, startLocal } from 'sluice/local'
import { type EndpointAccount, endpointAccount, type OwnAccount, ownAccount } from './accounts.ts'
import type { Messages } from './messages.ts'
import type { Pattern } from './patterns.ts'
import { openRecordStore } from './records.ts'

export interface RunOptions {
  readonly messages: Messages
  /** For the local endpoint. */
  readonly faults: readonly FaultRule[]
  /** How often a message of a queue may come. */
  readonly maxReceiveCount: number
  /** For the functions: the model, and where a real Bedrock is. */
  readonly environment: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  /** Called when it runs, with what tells how far it is. */
  readonly onStart: (progress: () => Progress) => void
}

export interface Progress {
  /** Messages that are through, one way or the other. */
  readonly done: number
  /** What the endpoint has seen so far. */
  readonly requests: number
}

export interface PatternResult {
  readonly pattern: string
  readonly guarded: boolean
  /** Invocations of the function. */
  readonly events: number
  /** Messages without an answer in the end. */
  readonly failed: number
  /** Times of the events that met a warm sandbox, in milliseconds. */
  readonly eventsMs: readonly number[]
  readonly answers: readonly Answer[]
  /** Why messages or records failed, and how often. */
  readonly reasons: Readonly<Record<string, number>>
  readonly endpoint: EndpointAccount
  readonly own: OwnAccount
}

export interface Answer {
  readonly text: string
  readonly intent: string
}

/** What sending the messages has told. */
type Sent = Pick<PatternResult, 'events' | 'failed' | 'eventsMs' | 'answers' | 'reasons'>

export async function runPattern(
  pattern: Pattern,
  { messages, faults, maxReceiveCount, environment, signal, onStart }: RunOptions,
): Promise<PatternResult> {
  const records = await openRecordStore()
  const lines: string[] = []
  try {
    const local = await startLocal({
      bedrock: { faults, keepRequests: 20 * messages.texts.length },
      functions: {
        handler: {
          handler: pattern.handler,
          concurrency: pattern.concurrency,
          timeoutMs: 20_000,
          nodeArguments: records.nodeArguments,
          environment: { INTENTS: messages.intents, ...records.environment, ...environment },
        },
      },
      queues: {
        messages: {
          ...(pattern.source === 'queue' && { function: 'handler' }),
          maximumConcurrency: pattern.concurrency,
          reportBatchItemFailures: true,
          visibilityTimeoutSeconds: 5,
          maxReceiveCount,
        },
      },
      onLog: ({ text }: LogLine) => lines.push(text),
    })
    try {
      const { handler } = local.functions
      const queue = local.queues.messages
      let done = 0
      const requests = () => local.bedrock.counters().requests
      onStart(() => ({ done: done + queue.counters().succeeded, requests: requests() }))
      const sent =
        pattern.source === 'queue'
          ? await throughQueue(queue, messages.texts, lines, signal)
          : await asEvents(handler, pattern.concurrency, messages.texts, signal, () => {
              done += 1
            })
      const { attempts, calls } = await records.read()
      return {
        pattern: pattern.name,
        guarded: pattern.guarded,
        ...sent,
        endpoint: endpointAccount(local.bedrock.requests(), local.bedrock.counters()),
        own: ownAccount(attempts, calls),
      }
    } finally {
      await local.close()
    }
  } finally {
    await records.remove()
  }
}

async function asEvents(
  { invoke }: LocalFunction,
  concurrency: number,
  texts: readonly string[],
  signal: AbortSignal,
  onDone: () => void,
): Promise<Sent> {
  const waiting = texts.values()
  const eventsMs: number[] = []
  const answers: Answer[] = []
  const reasons: string[] = []

  async function worker(): Promise<void> {
    for (const text of waiting) {
      const { error, payload, durationMs, coldStart } = await invoke<{ intent: string }>({ text }, { signal })
      if (!coldStart) eventsMs.push(durationMs)
      if (error) reasons.push(`${error.errorType}: ${error.errorMessage}`)
      else answers.push({ text, intent: payload?.intent ?? '' })
      onDone()
    }
  }

  await Promise.all(Array.from({ length: concurrency }, worker))
  return { events: texts.length, failed: reasons.length, eventsMs, answers, reasons: counted(reasons) }
}

async function throughQueue(
  queue: LocalQueue,
  texts: readonly string[],
  lines: readonly string[],
  signal: AbortSignal,
): Promise<Sent> {
  const ids = await queue.send(texts, { signal })
  const textOf = new Map(ids.map((id, index) => [id, texts[index] ?? '']))
  await queue.settled({ signal })
  const answers: Answer[] = []
  const reasons: string[] = []
  for (const line of lines) {
    const [json] = line.match(/\{"messageId":.*\}$/) ?? []
    const { messageId, intent, failed } = json ? JSON.parse(json) : {}
    if (intent !== undefined) answers.push({ text: textOf.get(messageId) ?? '', intent })
    if (failed !== undefined) reasons.push(failed)
  }
  const { length: failed } = await queue.deadLetters()
  return { events: queue.counters().events, failed, eventsMs: [], answers, reasons: counted(reasons) }
}

function counted(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1
  return counts
}
