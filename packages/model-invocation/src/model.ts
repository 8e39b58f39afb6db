/** A model as a handler uses it. */

import type { Scope, Usage } from '@sluice/core'

export interface CallSettings {
  /** Aborts the call, its waits and its retries. */
  readonly signal?: AbortSignal | undefined
}

export interface PartialSettings {
  /**
   * Whether a part of the answer is better than none: when the deadline comes, what has been said by then is the answer,
   * with `partial: true` and the stop reason `deadline`. If nothing has been said, the error is thrown as ever.
   *
   * @default false
   */
  readonly partial?: boolean | undefined
}

/** With `partial` the answer is streamed on its way here; the model must offer that. */
export interface InvokeSettings extends CallSettings, PartialSettings {}

/** A model bound to an invocation: every call runs through the policies of its scope. */
export interface Model<Prompt = string, Event = unknown, Answer extends ModelAnswer = ModelAnswer> {
  /** The id under which it is called. */
  readonly modelId: string
  /** The invocation that it is bound to. */
  readonly scope: Scope
  /**
   * Asks and waits for the whole answer.
   *
   * @throws ModelError, ModelThrottledError, TransportError, ScopeEndedError, `AbortError`; all are `SluiceError`s
   */
  invoke(prompt: Prompt, settings?: InvokeSettings): Promise<Answer>
  /**
   * Asks and resolves with the first content of the answer.
   *
   * @throws as `invoke`; and `StreamInterruptedError` from the iteration when the stream breaks off
   */
  stream(prompt: Prompt, settings?: CallSettings): Promise<ModelStream<Event, Answer>>
}

export interface ModelAnswer<Message = unknown> {
  /** The text of the answer; without reasoning and tool calls. */
  readonly text: string
  /** The provider's own message, to be appended to the next prompt. */
  readonly message: Message
  /** `end_turn`, `max_tokens`, `tool_use`, ...; `deadline` for a part of an answer. */
  readonly stopReason: string
  /** True when the deadline ended it and a part was asked for. */
  readonly partial?: true
  /** Whether a guardrail answered in place of the model, or cut its answer. */
  readonly intervened: boolean
  /** As the provider told it; undefined when it did not. */
  readonly usage: Usage | undefined
}

/** A streamed answer. It can be read once: as events, as text, or by waiting for the whole. Leaving the loop stops the model. */
export interface ModelStream<Event = unknown, Answer extends ModelAnswer = ModelAnswer>
  extends AsyncIterable<Event> {
  /** The pieces of text as they come. */
  readonly text: AsyncIterable<string>
  /** Reads what is left and resolves with the whole answer. */
  answer(settings?: PartialSettings): Promise<Answer>
}

/** What a provider gives to `modelInvocation()`: how to ask a model. Made by `bedrock()` and its like. */
export interface ModelProvider<Bound extends object = Model> {
  readonly modelId: string
  /** Binds the model to a scope. */
  bind(scope: Scope): Bound
}
