/** The function under test: the whole chain in three modes, and what the event wants to go wrong inside of it. */

import { setTimeout as sleep } from 'node:timers/promises'
import { BedrockRuntimeClient, ConverseStreamCommand } from '@aws-sdk/client-bedrock-runtime'
import middy from '@middy/core'
import { executionModeStreamifyResponse } from '@middy/core/StreamifyResponse'
import { currentScope, type Scope, scopeHooks } from '@sluice/core'
import { type CostRecord, type CostSink, costMeter, priceBook } from '@sluice/cost-meter'
import { sqsBatch } from '@sluice/event-sources'
import { retry } from '@sluice/model-invocation'
import { bedrock, guarded } from '@sluice/model-invocation/bedrock'
import { quotaThrottle } from '@sluice/quota-throttle'
import { type CacheStore, memoryCacheStore, memoryQuotaStore, type QuotaStore } from '@sluice/store'
import { timeoutGuard } from '@sluice/timeout-guard'
import { tokenStream } from '@sluice/token-stream'
import type { Context, SQSEvent } from 'aws-lambda'
import { buggyBatch, buggyBody, buggyRecords, buggyWork } from './bugs.ts'
import type { MatrixEvent, Trouble } from './matrix-event.ts'
import { hangMs, maxTokens, reserveMs, sideRun } from './timing.ts'

/** In a batch the second of three messages is the one that is told what to do. */
export type MatrixBatch = MatrixEvent & SQSEvent

const client = guarded(new BedrockRuntimeClient({}))
/** What is going on in this process. */
const running = new Map<string, MatrixEvent>()
/** The sinks of these runs have hung: once is enough for a deadline. */
const hung = new Set<string>()

export function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

async function trouble(how: Trouble): Promise<void> {
  if (how === 'hangs') await sleep(hangMs)
  throw new Error('of the matrix')
}

const quotas: QuotaStore = memoryQuotaStore()
const store: QuotaStore = {
  async update(key, change, signal) {
    for (const { store: wanted } of running.values()) {
      const takes = wanted?.of === 'take' && (change.takes?.length ?? 0) > 0
      const settles = wanted?.of === 'settle' && (change.settlements?.length ?? 0) > 0
      if (takes || settles) await trouble(wanted.how)
    }
    return quotas.update(key, change, signal)
  },
}

const stops: CacheStore = memoryCacheStore()
const cancelStore: CacheStore = {
  ...stops,
  async get(key, signal) {
    const { store: wanted } = running.get(key.slice(key.lastIndexOf('/') + 1)) ?? {}
    if (wanted?.of === 'cancel') await trouble(wanted.how)
    return stops.get(key, signal)
  },
}

const printed: CostSink = (record) => {
  for (const each of buggyRecords(running.get(record.tenant ?? '')?.bug, record)) print({ record: each })
}

/** Throws, or rejects, or rejects late. */
const fragile: CostSink = (record) => {
  const { sink, run } = running.get(record.tenant ?? '') ?? {}
  if (!run || sink?.of !== occasionOf(record) || hung.has(run)) return
  if (sink.how === 'throws' && record.kind === 'attempt') throw new Error('of the matrix')
  if (sink.how === 'hangs') hung.add(run)
  return trouble(sink.how)
}

function occasionOf(record: CostRecord): NonNullable<MatrixEvent['sink']>['of'] {
  if (record.kind === 'attempt' && record.error) return 'attempt'
  return record.kind === 'attempt' && record.operation === 'Converse' ? 'side call' : 'end'
}

/** What the guards know of the invocation, and what the test has to know of it. */
const told = scopeHooks({
  name: 'told',
  enter(scope, request) {
    const event = request.event as MatrixEvent
    running.set(event.run, event)
    scope.onEnd(() => void running.delete(event.run))
    if (event.deadlineMs !== undefined) {
      scope.deadlineMs = Math.min(scope.deadlineMs, scope.clock.now() + event.deadlineMs)
    }
  },
})

const failures = {
  onError({ event, error }: { readonly event: unknown; readonly error: unknown }): void {
    const { code, name } = error as Error & { readonly code?: string }
    print({ run: (event as MatrixEvent).run, failed: code ?? name })
  },
}

const chain = [
  timeoutGuard({ reserveMs }),
  told,
  quotaThrottle({ quotas: { tokensPerMinute: 1e9 }, store }),
  costMeter<MatrixEvent>({
    sinks: [fragile, printed],
    sinkTimeoutMs: hangMs,
    tenant: ({ run }) => run,
    prices: priceBook({ overrides: { bedrock: pricesOf(process.env.MODELS ?? '') } }),
  }),
  retry({ baseDelayMs: 1, throttledBaseDelayMs: 1, budgetTokens: 1e9 }),
  failures,
] as ReturnType<typeof costMeter<MatrixEvent>>[]

function pricesOf(ids: string) {
  return Object.fromEntries(ids.split(',').map((id) => [id, { input: 1, output: 5 }]))
}

function modelOf({ modelId }: MatrixEvent) {
  return bedrock(modelId, { client, maxTokens }).bind(currentScope() as Scope)
}

class HandlerError extends Error {
  override name = 'HandlerError'
}

function throwAt(event: MatrixEvent, place: MatrixEvent['throws']): void {
  if (event.throws === place) throw new HandlerError('of the matrix')
}

/** A handler that computes for longer than it may, and does not look at any signal. */
async function begin(event: MatrixEvent): Promise<void> {
  const { deadlineMs, clock } = currentScope() as Scope
  if (event.late) await sleep(deadlineMs - clock.now() + 50)
  if (event.abandons) {
    // Nobody waits for this call, and it would never end.
    const prompt = { run: sideRun(event), pieces: 1, pauseAt: 0 }
    openStream({ ...event, prompt }).catch(() => {})
  }
  throwAt(event, 'first')
}

async function openStream(event: MatrixEvent, signal?: AbortSignal): Promise<AsyncIterable<unknown>> {
  const text = JSON.stringify(event.prompt)
  if (event.way !== 'client') return modelOf(event).stream(text, { signal })
  const messages = [{ role: 'user' as const, content: [{ text }] }]
  const { modelId } = event
  const command = new ConverseStreamCommand({ modelId, messages, inferenceConfig: { maxTokens } })
  const { stream } = await client.send(command, signal && { abortSignal: signal })
  if (!stream) throw new TypeError('No stream came.')
  return stream
}

interface DeltaEvent {
  readonly contentBlockDelta?: { readonly delta?: { readonly text?: string } }
}

async function* words(event: MatrixEvent, signal?: AbortSignal): AsyncGenerator<string> {
  let read = 0
  for await (const item of await openStream(event, signal)) {
    const text = (item as DeltaEvent).contentBlockDelta?.delta?.text
    if (text === undefined) continue
    yield text
    if (++read !== 3) continue
    throwAt(event, 'midway')
    if (event.sideCall) await modelOf(event).invoke(JSON.stringify({ run: sideRun(event), pieces: 3 }))
  }
  throwAt(event, 'last')
}

async function answer(event: MatrixEvent, signal?: AbortSignal): Promise<string> {
  await begin(event)
  if (event.way === 'whole') {
    const { text } = await modelOf(event).invoke(JSON.stringify(event.prompt), { signal })
    throwAt(event, 'last')
    return text
  }
  let said = ''
  for await (const text of words(event, signal)) said += text
  return said
}

export const buffered = middy<MatrixEvent>()
  .use(chain)
  .use(tokenStream({ delivery: 'whole', format: 'text' }))
  .handler(async (event: MatrixEvent, context: Context) => {
    await buggyWork(event, client)
    if (event.way !== 'lazy') return { text: await buggyBody.whole(event, answer(event)) }
    await begin(event)
    return { statusCode: 200, body: words(event), requestId: context.awsRequestId }
  })

function streaming(options: Parameters<typeof tokenStream<MatrixEvent>>[0]) {
  return middy<MatrixEvent>({ executionMode: executionModeStreamifyResponse })
    .use(chain)
    .use(buggyBody.streamed)
    .use(tokenStream({ cancel: { store: cancelStore, key: ({ run }) => run, pollMs: 10 }, ...options }))
    .handler(async (event: MatrixEvent) => {
      await buggyWork(event, client)
      await begin(event)
      return event.way === 'lazy' ? words(event) : openStream(event)
    })
}

export const streamed = streaming({})
/** The same with a limit that is soon reached. */
export const bounded = streaming({ maxTokens: 5 })

const queue = sqsBatch({ defer: false })

export const batch = middy<MatrixBatch>()
  .use(chain)
  .use(queue as object as typeof buggyBatch)
  .use(buggyBatch)
  .handler(
    queue.handler<void, Context>(
      async (body, { id, signal }) => {
        const event = JSON.parse(body) as MatrixEvent
        await buggyWork(event, client)
        const text = await buggyBody.whole(event, answer(event, signal))
        // Who is given up must not do what cannot be done twice.
        signal.throwIfAborted()
        print({ run: event.run, delivered: id, text })
      },
      {
        concurrency: 1,
        onUnfulfilled({ id, reason }) {
          print({ record: id, code: (reason as { readonly code?: string }).code ?? reason.name })
        },
      },
    ),
  )
