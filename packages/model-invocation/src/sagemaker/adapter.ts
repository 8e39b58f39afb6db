/** How a container is spoken to: what it is sent, and how its answers are read. */

import { ModelError, type SluiceError, type Usage } from '@sluice/core'

/**
 * A container's language. `chat()`, `tgi()`, `json()`, `jsonLines()` and `csv()` are the common ones; give your own for
 * any other.
 */
export interface SageMakerAdapter<Prompt, Message> {
  /** Of what is sent. */
  readonly contentType: string
  /** What is wanted back. */
  readonly accept: string
  /** The body of a request. */
  write(prompt: Prompt, settings: GenerationSettings, streaming: boolean): string
  /** The same request with another maximum of output tokens, for a deadline that is near. Absent where there is none. */
  readonly withMaxTokens?: (body: string, maxTokens: number) => string
  /** Reads a whole answer. What it throws means that the answer is not in this language. */
  read(body: string): AdapterAnswer<Message>
  /** For containers that stream; without it `stream()` refuses. */
  readonly stream?: StreamAdapter<Message>
}

/** How a container streams. */
export interface StreamAdapter<Message> {
  /** Reads one line of the stream, or the data of one server-sent event. What it throws breaks the stream off. */
  readLine(line: string): AnswerPart
  /**
   * Whether the container says when an answer is whole. A stream that ends without is an error then; otherwise the end
   * of the stream is the end of the answer.
   */
  readonly marksEnd: boolean
  /** The message that the parts of an answer amount to. */
  collect(parts: readonly AnswerPart[]): Message
}

/** What holds for every request, and for language models only. Adapters of other models ignore it. */
export interface GenerationSettings {
  /** Output tokens at most. */
  readonly maxTokens?: number | undefined
  readonly temperature?: number | undefined
  /** 0 to 1. */
  readonly topP?: number | undefined
  readonly stopSequences?: readonly string[] | undefined
}

/** What a whole answer tells. */
export interface AdapterAnswer<Message> {
  readonly message: Message
  readonly text: string
  /** `max_tokens` for an answer that was cut by it, else in the container's own word. */
  readonly stopReason?: string | undefined
  readonly usage?: Usage | undefined
}

/** What one line of a streamed answer tells. */
export interface AnswerPart {
  readonly text?: string | undefined
  /** Part of a message that is no text, such as a tool call. */
  readonly delta?: unknown
  readonly stopReason?: string | undefined
  readonly usage?: Usage | undefined
  /** True from the moment on when the answer is whole. Its usage may follow. */
  readonly last?: boolean | undefined
}

/** The word for an answer that was cut is the same everywhere; all others stay as they are. */
export function stopReasonOf(reason: unknown): string | undefined {
  if (typeof reason !== 'string') return undefined
  return /^(?:length|max_tokens)$/i.test(reason) ? 'max_tokens' : reason
}

/**
 * What a container says in place of an answer.
 *
 * @throws SluiceError when it does
 */
export function refuseErrors(value: unknown): void {
  if (typeof value !== 'object' || value === null || !('error' in value) || !value.error) return
  const { error_type: type } = value as { readonly error_type?: unknown }
  const overloaded = type === 'overloaded'
  throw new ModelError(
    `The container reported ${overloaded ? 'that it is overloaded' : 'an error'} in its answer; see the logs of the endpoint.`,
    {
      code: overloaded ? 'unavailable' : 'model_failed',
      statusCode: overloaded ? 503 : 502,
      retryable: overloaded,
      unbilled: overloaded,
      // It may quote the prompt.
      cause: value,
    },
  )
}

/** The error for an answer that an adapter cannot read. Its cause is left out: the parser quotes the answer. */
export function unreadable(modelId: string): SluiceError {
  return new ModelError(`The answer of ${modelId} is not in the language of its adapter.`, {
    code: 'model_failed',
    statusCode: 502,
    unbilled: false,
  })
}
