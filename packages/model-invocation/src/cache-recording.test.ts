import fc from 'fast-check'
import { expect, test } from 'vitest'
import { recordingOf } from './cache-recording.ts'

const settle = () => new Promise((resolve) => setImmediate(resolve))

/** A stream of so many events, that fails or ends after them; each event comes when it is let go. */
function source(events: number, fails: boolean) {
  let given = 0
  let left = false
  const gates: (() => void)[] = []
  const stream: AsyncIterableIterator<unknown> = {
    async next() {
      await new Promise<void>((resolve) => gates.push(resolve))
      if (left) return { done: true, value: undefined }
      if (given < events) return { done: false, value: given++ }
      if (fails) throw new Error('cut')
      return { done: true, value: undefined }
    },
    async return() {
      left = true
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]: () => stream,
  }
  return {
    stream,
    letGo() {
      gates.shift()?.()
    },
    get left() {
      return left
    },
  }
}

const step = fc.constantFrom('read', 'letGo', 'letGo', 'finish', 'leave')

test('however reader, source and those who wait take turns: nothing is lost, doubled, or quietly cut short', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 30 }),
      fc.nat(4),
      fc.boolean(),
      async (steps, events, fails) => {
        const { stream, letGo } = source(events, fails)
        const recorded: unknown[] = []
        const ends: boolean[] = []
        const recording = recordingOf(
          stream,
          (event) => recorded.push(event),
          (whole) => ends.push(whole),
        )
        const read: (number | 'done' | 'failed')[] = []
        let left = false
        let finishing = false

        function next() {
          recording.events.next().then(
            ({ done, value }) => read.push(done ? 'done' : (value as number)),
            () => read.push('failed'),
          )
        }

        for (const kind of steps) {
          if (kind === 'read' && !left) next()
          else if (kind === 'letGo') letGo()
          else if (kind === 'finish') {
            recording.finish()
            finishing = true
          } else if (kind === 'leave') {
            left = true
            await recording.events.return?.()
          }
          await settle()
        }
        // Whoever is still there reads to the end.
        for (let round = 0; round < 12; round++) {
          if (!left) next()
          letGo()
          letGo()
          await settle()
        }

        const all = Array.from({ length: events }, (_, n) => n)
        const numbers = read.filter((value) => typeof value === 'number')
        expect(numbers).toEqual(all.slice(0, numbers.length))
        expect(recorded).toEqual(all.slice(0, recorded.length))
        if (!left) {
          expect(numbers).toEqual(all)
          // A failure is thrown once, in its place, and never taken for an end.
          expect(read[events]).toBe(fails ? 'failed' : 'done')
          expect(read.slice(events + 1).every((value) => value === 'done')).toBe(true)
        }
        if (!left || finishing) expect(ends).toHaveLength(1)
        expect(ends.length).toBeLessThanOrEqual(1)
        if (ends[0]) expect([recorded, fails]).toEqual([all, false])
      },
    ),
    { numRuns: 300 },
  )
})

test('a reader who leaves stops the source, unless somebody waits for the rest', async () => {
  for (const waiting of [false, true]) {
    const from = source(3, false)
    const ends: boolean[] = []
    const recording = recordingOf(
      from.stream,
      () => {},
      (whole) => ends.push(whole),
    )
    if (waiting) recording.finish()
    await recording.events.return?.()
    expect(from.left).toBe(!waiting)
    for (let round = 0; round < 5; round++) {
      from.letGo()
      await settle()
    }
    expect(ends).toEqual([waiting])
  }
})

test('a reader who does not read holds the source back', async () => {
  const from = source(3, false)
  const recorded: unknown[] = []
  const recording = recordingOf(
    from.stream,
    (event) => recorded.push(event),
    () => {},
  )
  const first = recording.events.next()
  for (let round = 0; round < 5; round++) {
    from.letGo()
    await settle()
  }
  expect(await first).toEqual({ done: false, value: 0 })
  expect(recorded).toEqual([0])
})
