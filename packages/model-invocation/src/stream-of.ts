/** A streamed answer as its reader wants it: events, pieces of text, or the whole; over a single pass. */

import { SluiceError, type Usage } from '@sluice/core'
import type { ModelAnswer, ModelStream } from './model.ts'

/** What is known of the events of one stream. */
export interface StreamReader<Event, Answer> {
  /** Told of each event, in order. */
  add(event: Event): void
  /** The answer that all events so far amount to. */
  answer(): Answer
  /** Whether nothing has been said. */
  isEmpty(answer: Answer): boolean
  /** The text in an event, if there is any. */
  textOf(event: Event): string | undefined
}

export function streamOf<Event, Answer extends ModelAnswer>(
  events: AsyncIterable<Event>,
  { add, answer, isEmpty, textOf }: StreamReader<Event, Answer>,
): ModelStream<Event, Answer> {
  const source = events[Symbol.asyncIterator]()

  const watched: AsyncIterableIterator<Event> = {
    async next() {
      const step = await source.next()
      if (!step.done) add(step.value)
      return step
    },
    async return() {
      await source.return?.()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }

  return {
    [Symbol.asyncIterator]: () => watched,
    text: {
      async *[Symbol.asyncIterator]() {
        for await (const event of watched) {
          const text = textOf(event)
          if (text) yield text
        }
      },
    },
    async answer({ partial = false } = {}) {
      try {
        while (!(await watched.next()).done);
        return answer()
      } catch (error) {
        const said = answer()
        if (!partial || !isDeadline(error) || isEmpty(said)) throw error
        return { ...said, stopReason: 'deadline', partial: true, usage: error.usage }
      }
    },
  }
}

/** Told by its code: whose error it is, is nobody's business here. */
function isDeadline(error: unknown): error is SluiceError & { readonly usage?: Usage } {
  return SluiceError.is(error) && error.code === 'deadline_exceeded'
}
