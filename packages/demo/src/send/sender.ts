/** How messages go through a pattern: each way is a file beside this one. */
import type { Local } from 'sluice/local'

/** Sends messages through a cloud until all are through, one way or the other. */
export type Sender = (cloud: Cloud, messages: readonly string[], options: SendOptions) => Promise<Sent>

export interface Cloud extends Pick<Local<string, string, string>, 'functions' | 'queues' | 'buckets'> {
  /** What the functions have written so far. */
  readonly lines: readonly string[]
}

export interface SendOptions {
  /** Messages on their way at once. */
  readonly concurrency: number
  readonly signal: AbortSignal
  /** Called for each message that is through. */
  readonly onDone: () => void
}

/** What sending the messages has told. */
export interface Sent {
  /** Invocations, executions, batches: what the pattern calls an event. */
  readonly events: number
  readonly answers: readonly Answer[]
  /** Why events or records failed, one for each time. */
  readonly reasons: readonly string[]
  /** Messages without an answer in the end. */
  readonly failed: number
  /** Times that a message went back to wait for quota. */
  readonly deferred?: number
  /** Times of the events that met a warm sandbox, in milliseconds; none where they would mean something else. */
  readonly eventsMs: readonly number[]
}

export interface Answer {
  readonly text: string
  readonly answer: string
}

/** Works on all items, so many at once. */
export async function each<Item>(
  items: readonly Item[],
  concurrency: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const waiting = items.values()
  async function worker(): Promise<void> {
    for (const item of waiting) await work(item)
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
}
