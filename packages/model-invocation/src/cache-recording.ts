/** A stream that is read by one and recorded for others. */

export interface Recording {
  /** For the reader: as the stream, at his own pace. */
  readonly events: AsyncIterableIterator<unknown, undefined>
  /** Reads on to the end, whether or not the reader does: others wait for it. */
  finish(): void
}

/**
 * @param record is called with each event, once
 * @param ended is called once: with true at the end of the stream, with false when it failed or was left before
 */
export function recordingOf(
  events: AsyncIterable<unknown>,
  record: (event: unknown) => void,
  ended: (whole: boolean) => void,
): Recording {
  const source = events[Symbol.asyncIterator]()
  const read: unknown[] = []
  let position = 0
  let awaited = false
  let reading: Promise<void> | undefined
  let over = false
  let failure: { readonly error: unknown } | undefined

  function end(whole: boolean): void {
    if (!over) ended(whole)
    over = true
  }

  /** One step of the source, shared by all who want it. */
  function step(): Promise<void> {
    reading ??= source
      .next()
      .then(
        ({ done, value }) => {
          if (done) return end(true)
          record(value)
          read.push(value)
        },
        (error: unknown) => {
          failure = { error }
          end(false)
        },
      )
      .finally(() => {
        reading = undefined
      })
    return reading
  }

  const done = { done: true, value: undefined } as const
  const reader: AsyncIterableIterator<unknown, undefined> = {
    async next() {
      while (position >= read.length && !over) await step()
      if (position < read.length) return { done: false, value: read[position++] }
      if (!failure) return done
      const { error } = failure
      failure = undefined
      throw error
    },
    async return() {
      position = Infinity
      if (awaited || over) return done
      end(false)
      await source.return?.()
      return done
    },
    [Symbol.asyncIterator]: () => reader,
  }

  return {
    events: reader,
    finish() {
      if (awaited) return
      awaited = true
      const readOn = (): void => {
        if (!over) step().then(readOn)
      }
      readOn()
    },
  }
}
