/** Sends messages through one pattern, in a local cloud of its own. */
import { type FaultRule, type FunctionDefinition, type LogLine, startLocal } from 'sluice/local'
import { type EndpointAccount, endpointAccount, type OwnAccount, ownAccount } from './accounts.ts'
import type { Pattern } from './patterns.ts'
import { openRecordStore } from './records.ts'
import type { Sent } from './send/sender.ts'

export interface RunOptions {
  readonly texts: readonly string[]
  /** For the functions. */
  readonly environment: Readonly<Record<string, string>>
  /** For the local endpoint. */
  readonly faults: readonly FaultRule[]
  /** How often a message of a queue, or the event of a bucket, may come. */
  readonly maxReceiveCount: number
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

export interface PatternResult extends Sent {
  readonly pattern: string
  readonly guarded: boolean
  readonly messages: number
  readonly endpoint: EndpointAccount
  readonly own: OwnAccount
}

export async function runPattern(
  { name, guarded, functions, trigger, send, concurrency }: Pattern,
  { texts, environment, faults, maxReceiveCount, signal, onStart }: RunOptions,
): Promise<PatternResult> {
  const records = await openRecordStore()
  const lines: string[] = []
  try {
    const local = await startLocal<string, string, string>({
      bedrock: { faults, keepRequests: 20 * texts.length },
      functions: Object.fromEntries(
        Object.entries(functions).map(([name, { handler }]): [string, FunctionDefinition] => [
          name,
          {
            handler,
            concurrency,
            timeoutMs: 20_000,
            nodeArguments: records.nodeArguments,
            environment: { ...records.environment, ...environment },
          },
        ]),
      ),
      ...(trigger === 'queue' && {
        queues: {
          messages: {
            function: 'handler',
            maximumConcurrency: concurrency,
            reportBatchItemFailures: true,
            visibilityTimeoutSeconds: 5,
            maxReceiveCount,
          },
        },
      }),
      ...(trigger === 'bucket' && {
        buckets: { papers: { function: 'handler', prefix: 'documents/', retries: maxReceiveCount - 1 } },
      }),
      onLog: ({ text }: LogLine) => lines.push(text),
    })
    try {
      let done = 0
      const { functions, queues, buckets, bedrock } = local
      const cameThrough = () => queues.messages?.counters().succeeded ?? 0
      onStart(() => ({ done: done + cameThrough(), requests: bedrock.counters().requests }))
      const sent = await send({ functions, queues, buckets, lines }, texts, {
        concurrency,
        signal,
        onDone: () => {
          done += 1
        },
      })
      const { attempts, calls } = await records.read()
      return {
        pattern: name,
        guarded,
        messages: texts.length,
        ...sent,
        endpoint: endpointAccount(bedrock.requests(), bedrock.counters()),
        own: ownAccount(attempts, calls),
      }
    } finally {
      await local.close()
    }
  } finally {
    await records.remove()
  }
}
