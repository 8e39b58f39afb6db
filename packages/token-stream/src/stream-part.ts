/** What a streamed answer is made of: read from the model once, written in every format. */

import type { Usage } from '@sluice/core'

/** A piece of an answer. A handler may return an async iterable of them, of strings, or of Converse events. */
export type StreamPart =
  /** Text of the answer, as it comes. */
  | { readonly type: 'token'; readonly text: string }
  /** What the model thinks aloud. */
  | { readonly type: 'reasoning'; readonly text: string }
  /** The model begins to call a tool. */
  | { readonly type: 'tool-start'; readonly id: string; readonly name: string }
  /** A piece of the tool's input, as JSON text. */
  | { readonly type: 'tool-input'; readonly id: string; readonly text: string }
  /** The call of a tool, whole. */
  | { readonly type: 'tool'; readonly id: string; readonly name: string; readonly input: unknown }
  /** Why the model stopped: `end_turn`, `max_tokens`, `tool_use`, ... */
  | { readonly type: 'stop'; readonly reason: string }

/** What one attempt of a model call took, as soon as it has ended. */
export interface StreamUsage {
  readonly type: 'usage'
  readonly usage: Usage
}

/** What the whole stream took. */
export interface StreamTotals {
  /** Of all model calls of the invocation; undefined when nothing is known. */
  readonly usage?: Usage | undefined
  /** True when the provider did not tell all of `usage`. */
  readonly estimated?: boolean | undefined
  /** As the option `cost` gives it. */
  readonly cost?: unknown
}

/** The last words of a stream. Only a whole answer has a `done`. */
export type StreamEnd =
  | ({ readonly type: 'done'; readonly stopReason?: string | undefined } & StreamTotals)
  | ({
      readonly type: 'error'
      readonly code: string
      /** Made for the reader: never a prompt, an answer or a detail of the inside. */
      readonly message: string
      readonly retryable: boolean
    } & StreamTotals)

/** One format of one stream. */
export interface Encoder {
  readonly headers: Readonly<Record<string, string>>
  /** Says nothing, but keeps the connection open; undefined where the format has no such thing. */
  readonly heartbeat?: string
  encode(part: StreamPart | StreamUsage | StreamEnd): string
}
