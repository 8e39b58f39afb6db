/** Sends messages through one pattern, in a local cloud of its own. */
import { type FaultRule, type FunctionDefinition, type LogLine, startLocal } from 'sluice/local'
import { type EndpointAccount, endpointAccount, type OwnAccount, ownAccount } from './accounts.ts'
import { meteredRecords } from './metered-records.ts'
import type { Pattern, Trigger } from './patterns.ts'
import { startQuotaStore } from './quota-store.ts'
import { openRecordStore } from './records.ts'
import type { Sent } from './send/sender.ts'

export interface RunOptions {
  readonly texts: readonly string[]
  /** For the functions. */
  readonly environment: Readonly<Record<string, string>>
  /** For the local endpoint. */
  readonly faults: readonly FaultRule[]
  /** Nothing that failed is sent again, by a queue or a bucket. */
  readonly once: boolean
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
  /** It is about more work than the quota carries. */
  readonly rush: boolean
  readonly messages: number
  readonly endpoint: EndpointAccount
  /** Of what Sluice has published. */
  readonly own: OwnAccount
  /** Of what `costMeter()` has written to the logs. */
  readonly metered: OwnAccount
  /** In exact decimal text. */
  readonly costUsd: string
  /** What the functions have written. */
  readonly lines: readonly string[]
}

export async function runPattern(
  { name, guarded, functions, trigger, send, concurrency, quota, sharesQuota, ...pattern }: Pattern,
  { texts, environment, faults, once, signal, onStart }: RunOptions,
): Promise<PatternResult> {
  const records = await openRecordStore()
  const lines: string[] = []
  const quotaStore = sharesQuota ? await startQuotaStore() : undefined
  try {
    const local = await startLocal<string, string, string>({
      bedrock: { faults, keepRequests: 20 * texts.length, ...(quota && { quotas: [quota] }) },
      functions: Object.fromEntries(
        Object.entries(functions).map(([key, definition]): [string, FunctionDefinition] => [
          key,
          {
            ...definition,
            concurrency,
            timeoutMs: 20_000,
            // Many start at once, on few cores.
            initTimeoutMs: 30_000,
            nodeArguments: records.nodeArguments,
            environment: {
              PATTERN: name,
              ...(quotaStore && { QUOTA_STORE_URL: quotaStore.url }),
              ...pattern.environment,
              ...records.environment,
              ...environment,
            },
          },
        ]),
      ),
      ...triggers(trigger, concurrency, once),
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
      const metered = meteredRecords(lines)
      return {
        pattern: name,
        guarded,
        rush: quota !== undefined,
        messages: texts.length,
        ...sent,
        endpoint: endpointAccount(bedrock.requests(), bedrock.counters()),
        own: ownAccount(attempts, calls),
        metered: ownAccount(metered.attempts, metered.calls),
        costUsd: metered.usd,
        lines,
      }
    } finally {
      await local.close()
    }
  } finally {
    await quotaStore?.close()
    await records.remove()
  }
}

function triggers(trigger: Trigger | undefined, maximumConcurrency: number, once: boolean) {
  if (trigger?.kind === 'queue') {
    const { kind, maxReceiveCount, ...queue } = trigger
    const mapping = { function: 'handler', reportBatchItemFailures: true, maximumConcurrency }
    return { queues: { messages: { ...mapping, ...queue, maxReceiveCount: once ? 1 : maxReceiveCount } } }
  }
  if (trigger?.kind === 'bucket') {
    return {
      buckets: { papers: { function: 'handler', prefix: 'documents/', ...(once && { retries: 0 }) } },
    }
  }
  return {}
}
