/** A model without a network: it answers by script, through the same transport seam as a real provider. */

import type { ModelRequest, Seen, Sent, Transport } from '../call.ts'
import { SluiceError } from '../errors.ts'
import { noUsage, type Usage } from '../usage.ts'

/** What one attempt meets. */
export interface FakeScript {
  /** Rejects with this instead of answering. */
  readonly error?: Error
  /** Pieces of a streamed answer. Without them the answer comes whole. */
  readonly pieces?: readonly string[]
  /** After the pieces: end politely without the last word, throw, wait for ever, or finish. Default `finish`. */
  readonly ending?: 'truncate' | 'throw' | 'hang' | 'finish'
  readonly usage?: Usage | undefined
  /** Called when the request is sent; what it returns is awaited. */
  readonly before?: (request: ModelRequest) => Promise<void> | void
}

export interface FakeModel {
  /** A request to it. Each attempt takes the next script; the last one is kept. */
  request(fields?: Partial<ModelRequest>): ModelRequest
  /** Requests sent so far. */
  readonly sent: number
  /** Streams that are open now: not ended, not aborted. */
  readonly open: number
}

/**
 * @example
 * ```ts
 * import { callModel, runInScope } from '@sluice/core'
 * import { fakeModel } from '@sluice/core/testing'
 *
 * const model = fakeModel({ pieces: ['Hello', ' world'] })
 * await runInScope({}, async (scope) => {
 *   const { events } = await callModel(scope, model.request({ streaming: true }))
 *   for await (const event of events ?? []) console.log(event)
 * })
 * ```
 */
export function fakeModel(...scripts: readonly FakeScript[]): FakeModel {
  let sent = 0
  let open = 0

  const transport: Transport = {
    async send(request, { signal }): Promise<Sent> {
      const script = scripts[Math.min(sent, scripts.length - 1)] ?? {}
      sent++
      await script.before?.(request)
      signal.throwIfAborted()
      if (script.error) throw script.error
      const usage = 'usage' in script ? script.usage : { ...noUsage, inputTokens: 10, outputTokens: 5 }
      if (!script.pieces) return { output: { text: 'whole' }, usage, stopReason: 'end_turn' }
      open++
      let closed = false
      const close = () => {
        if (!closed) open--
        closed = true
      }
      signal.addEventListener('abort', close, { once: true })
      return { output: {}, events: streamOf(script, usage, signal, close), read }
    },
    toError: (thrown) =>
      SluiceError.is(thrown)
        ? thrown
        : new SluiceError('The fake model failed.', { code: 'unexpected', cause: thrown }),
    withModel: (request, modelId) => ({ ...request, modelId, baseModelId: modelId }),
    withMaxTokens: (request, maxTokens) => ({ ...request, maxTokens }),
  }

  return {
    request: (fields = {}) => ({
      provider: 'fake',
      modelId: 'fake.model-v1',
      baseModelId: 'fake.model-v1',
      operation: 'Converse',
      streaming: false,
      inputBytes: 35,
      estimatedInputTokens: 10,
      maxTokens: 100,
      payload: {},
      transport,
      ...fields,
    }),
    get sent() {
      return sent
    },
    get open() {
      return open
    },
  }
}

interface FakeEvent {
  readonly text?: string
  readonly stop?: string
  readonly usage?: Usage
}

async function* streamOf(
  { pieces = [], ending = 'finish' }: FakeScript,
  usage: Usage | undefined,
  signal: AbortSignal,
  close: () => void,
): AsyncGenerator<FakeEvent> {
  try {
    yield {}
    for (const text of pieces) {
      if (signal.aborted) return
      yield { text }
    }
    if (ending === 'truncate') return
    if (ending === 'throw') throw new Error('connection reset')
    // As HTTP/2 does: an abort ends the iteration without an error.
    if (ending === 'hang') {
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve()
        else signal.addEventListener('abort', () => resolve(), { once: true })
      })
      return
    }
    yield { stop: 'end_turn' }
    if (usage) yield { usage }
  } finally {
    close()
  }
}

function read(event: unknown, seen: Seen): void {
  const { text, stop, usage } = event as FakeEvent
  if (text !== undefined) {
    seen.contentEvents++
    seen.outputBytes += Buffer.byteLength(text)
  }
  if (stop !== undefined) {
    seen.complete = true
    seen.stopReason = stop
  }
  if (usage) seen.usage = usage
}
