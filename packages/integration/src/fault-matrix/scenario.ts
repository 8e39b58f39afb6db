/** What is done in each cell, and what has to come of it. */

import type { FaultRule } from 'sluice/local'
import type { Cell, Mode } from './cell.ts'
import { impossible } from './impossible.ts'
import type { MatrixEvent, Prompt, Way } from './matrix-event.ts'
import { codeBefore, strike } from './strikes.ts'
import { pieces } from './timing.ts'

/** What has become of the answer, as far as its reader can tell. */
export type Saw = 'whole' | 'part' | 'nothing' | 'left'
export type AttemptEnd = 'answered' | 'failed' | 'left'

export interface Expected {
  readonly saw: Saw
  /** The code of the error that the reader, or the queue's log, was told; with `or` one of several. */
  readonly code?: string
  /** How the attempts ended that were metered; of a batch those of the second message. */
  readonly attempts: readonly AttemptEnd[]
}

export interface Scenario {
  readonly name: string
  readonly mode: Mode
  /** Needs a function with little time, with all the time, or with a limit of tokens. */
  readonly place: 'quick' | 'roomy' | 'bounded'
  readonly way: Way
  readonly event?: Partial<Omit<MatrixEvent, 'prompt'>>
  readonly prompt?: Partial<Prompt>
  /** What the endpoint does to the requests, one after the other. */
  readonly strikes?: readonly (FaultRule | undefined)[]
  /** When the reader leaves, and the response stream fails. */
  readonly leaves?: 'at once' | 'after tokens' | 'after the last word'
  readonly expected: Expected
}

/** Nothing goes wrong. */
export function healthy(mode: Mode, place: Scenario['place']): Scenario {
  const expected: Expected = { saw: 'whole', attempts: ['answered'] }
  const prompt = { pieces: place === 'bounded' ? 3 : pieces }
  return { name: 'nothing', mode, place, way: 'stream', prompt, expected }
}

const stopped = 'deadline_exceeded'
/** The scenarios of a cell, or the reason why there is no such cell. */
export function scenariosOf(cell: Cell): readonly Scenario[] | string {
  const reason = impossible(cell)
  if (reason !== undefined) return reason
  switch (cell.fault) {
    case 'reader':
      return [ofReader(cell)]
    case 'handler':
      return [ofHandler(cell)]
    case 'store':
      return [ofStore(cell)]
    case 'sink':
      return [ofSink(cell)]
    case 'too long':
      return [tooLong(cell)]
    default:
      return ofProvider(cell)
  }
}

/** What the time-out does that comes before the fault: the model falls silent, and then it is too late for anything else. */
function beforeIt({ phase, mode }: Cell): Pick<Scenario, 'prompt' | 'expected' | 'place' | 'way'> {
  const pauseAt = { before: 0, streaming: 5, draining: pieces }[phase]
  return {
    place: 'quick',
    way: 'stream',
    prompt: { pauseAt },
    expected: {
      saw: mode === 'streamed' && phase !== 'before' ? 'part' : 'nothing',
      code: stopped,
      attempts: ['failed'],
    },
  }
}

/** The deadline passes while the fault is dealt with: what is written at the end takes its time. */
const slowEnd: Partial<MatrixEvent> = { sink: { of: 'end', how: 'hangs' } }

function ofProvider(cell: Cell): readonly Scenario[] {
  const { fault, phase, mode, timeout } = cell
  const base = { name: 'it', mode }
  const strikes = [strike(fault, phase, timeout === 'after')]
  if (timeout === 'before') {
    return [{ ...base, ...beforeIt(cell), strikes: phase === 'before' ? [] : strikes }]
  }
  const place = timeout === 'during' ? 'quick' : 'roomy'
  const way = phase === 'before' && mode !== 'streamed' ? 'whole' : 'stream'
  if (fault === 'stall') {
    const saw =
      timeout === 'after' ? 'whole' : mode === 'streamed' && phase === 'streaming' ? 'part' : 'nothing'
    if (saw === 'nothing' && phase === 'draining' && mode === 'batch') {
      // The message is given up before its call is, which has its answer.
      return [{ ...base, place, way, strikes, expected: { saw, code: stopped, attempts: ['answered'] } }]
    }
    const ended: Expected =
      saw === 'whole' || phase === 'draining'
        ? { saw: 'whole', attempts: ['answered'] }
        : { saw, code: stopped, attempts: ['failed'] }
    return [{ ...base, place, way, strikes, expected: ended }]
  }
  if (phase === 'draining') {
    // The answer is whole; only its usage is lost.
    const event = timeout === 'during' ? slowEnd : {}
    return [{ ...base, place, way, event, strikes, expected: { saw: 'whole', attempts: ['answered'] } }]
  }
  if (phase === 'streaming') {
    const event = timeout === 'during' ? slowEnd : {}
    const saw = mode === 'streamed' ? 'part' : 'nothing'
    const expected: Expected = { saw, code: 'stream_interrupted', attempts: ['failed'] }
    return [{ ...base, place, way, event, strikes, expected }]
  }
  if (fault === 'truncated' && way === 'whole') {
    // Half of a JSON text: nobody knows what this is, and it was billed.
    const event = timeout === 'during' ? slowEnd : {}
    const expected: Expected = { saw: 'nothing', code: 'unexpected', attempts: ['failed'] }
    return [{ ...base, place, way, event, strikes, expected }]
  }
  if (timeout === 'during') {
    const expected: Expected = { saw: 'nothing', code: stopped, attempts: ['failed', 'failed'] }
    return [{ ...base, place, way, strikes: [...strikes, strike('stall', 'before', false)], expected }]
  }
  const always = [...strikes, ...strikes, ...strikes]
  const code = codeBefore(fault, way)
  return [
    {
      ...base,
      name: 'once',
      place,
      way,
      strikes,
      expected: { saw: 'whole', attempts: ['failed', 'answered'] },
    },
    {
      ...base,
      name: 'each time',
      place,
      way,
      strikes: always,
      expected: { saw: 'nothing', code, attempts: ['failed', 'failed', 'failed'] },
    },
  ]
}

function ofReader(cell: Cell): Scenario {
  const { phase, mode, timeout } = cell
  const base = { name: 'it', mode }
  const leaves = ({ before: 'at once', streaming: 'after tokens', draining: 'after the last word' } as const)[
    phase
  ]
  if (timeout === 'before') {
    // With a generator the response has begun, and so the deadline is an event whenever it comes.
    const timely = beforeIt(cell)
    return { ...base, ...timely, way: 'lazy', expected: { ...timely.expected, saw: 'part' } }
  }
  const place = timeout === 'during' ? 'quick' : 'roomy'
  const saw = 'left'
  if (phase === 'draining') {
    return { ...base, place, way: 'lazy', leaves, event: slowEnd, expected: { saw, attempts: ['answered'] } }
  }
  const event = timeout === 'during' ? slowEnd : {}
  const prompt = { pauseAt: phase === 'before' ? 0 : 5 }
  return { ...base, place, way: 'lazy', leaves, event, prompt, expected: { saw, attempts: ['failed'] } }
}

function ofHandler(cell: Cell): Scenario {
  const { phase, mode, timeout } = cell
  const throws = ({ before: 'first', streaming: 'midway', draining: 'last' } as const)[phase]
  const lazy = mode === 'streamed' && phase !== 'before'
  const way = lazy ? 'lazy' : 'stream'
  const name = 'it'
  const code = lazy ? 'unexpected' : 'HandlerError'
  if (phase === 'before') {
    const event = {
      throws,
      ...(timeout === 'before' && { late: true }),
      ...(timeout === 'during' && slowEnd),
    } as const
    const place = timeout === 'after' ? 'roomy' : 'quick'
    // The message is given up at the deadline of its batch, before its handler wakes up.
    const late = mode === 'batch' && timeout === 'before'
    return {
      name,
      mode,
      place,
      way,
      event,
      expected: { saw: 'nothing', code: late ? stopped : code, attempts: [] },
    }
  }
  if (timeout === 'before') {
    const timely = beforeIt(cell)
    // Its third word is early enough for the deadline to come first.
    const prompt = phase === 'streaming' ? { pauseAt: 1 } : timely.prompt
    return { name, mode, ...timely, way, event: { throws }, ...(prompt && { prompt }) }
  }
  const saw = lazy ? 'part' : 'nothing'
  // The model would still be talking.
  const prompt = phase === 'streaming' ? { pauseAt: 5 } : {}
  const event = { throws, ...(timeout === 'during' && slowEnd) }
  const attempts: AttemptEnd[] = [phase === 'streaming' ? 'left' : 'answered']
  return {
    name,
    mode,
    place: timeout === 'after' ? 'roomy' : 'quick',
    way,
    event,
    prompt,
    expected: { saw, code, attempts },
  }
}

function ofStore(cell: Cell): Scenario {
  const { phase, mode, timeout } = cell
  const of = ({ before: 'take', streaming: 'cancel', draining: 'settle' } as const)[phase]
  const name = 'it'
  const way = 'stream'
  if (timeout === 'before' && phase === 'before') {
    const event = { late: true, store: { of, how: 'throws' } } as const
    return {
      name,
      mode,
      place: 'quick',
      way,
      event,
      expected: { saw: 'nothing', code: stopped, attempts: [] },
    }
  }
  if (timeout === 'before') return { name, mode, ...beforeIt(cell), event: { store: { of, how: 'throws' } } }
  if (timeout === 'during' && phase === 'before') {
    const event = { store: { of, how: 'hangs' } } as const
    return {
      name,
      mode,
      place: 'quick',
      way,
      event,
      expected: { saw: 'nothing', code: stopped, attempts: [] },
    }
  }
  if (timeout === 'during' && phase === 'streaming') {
    const event = { store: { of, how: 'hangs' } } as const
    return { name, mode, ...beforeIt(cell), event }
  }
  const how = timeout === 'during' ? 'hangs' : 'throws'
  const place = timeout === 'during' ? 'quick' : 'roomy'
  const event = { store: { of, how } } as const
  // Where the first message is settled with a store that hangs, the second one has to wait for it.
  const expected: Expected =
    how === 'hangs' && mode === 'batch'
      ? { saw: 'nothing', code: stopped, attempts: [] }
      : { saw: 'whole', attempts: ['answered'] }
  return { name, mode, place, way, event, expected }
}

function ofSink(cell: Cell): Scenario {
  const { phase, mode, timeout } = cell
  const of = ({ before: 'attempt', streaming: 'side call', draining: 'end' } as const)[phase]
  const name = 'it'
  const how = timeout === 'during' ? 'hangs' : 'throws'
  const place = timeout === 'after' ? 'roomy' : 'quick'
  const way = phase === 'streaming' && mode === 'streamed' ? 'lazy' : 'stream'
  const sideCall = phase === 'streaming'
  const event = { sink: { of, how }, ...(sideCall && { sideCall }) } as const
  // The record that it is given before any byte is that of an attempt that failed.
  const strikes = phase === 'before' ? [strike('5xx', 'before', true)] : []
  const before: readonly AttemptEnd[] = phase === 'before' ? ['failed'] : []
  const beside: readonly AttemptEnd[] = sideCall ? ['answered'] : []
  if (timeout === 'before') {
    const timely = beforeIt(cell)
    const attempts = [...before, ...timely.expected.attempts, ...beside]
    return { name, mode, ...timely, way, event, strikes, expected: { ...timely.expected, attempts } }
  }
  const attempts: AttemptEnd[] = [...before, 'answered', ...beside]
  return { name, mode, place, way, event, strikes, expected: { saw: 'whole', attempts } }
}

function tooLong(cell: Cell): Scenario {
  const { mode, timeout } = cell
  const base = { name: 'it', mode } as const
  const code = 'payload_too_large'
  const saw = mode === 'streamed' ? 'part' : 'nothing'
  if (timeout === 'before') return { ...base, ...beforeIt(cell), prompt: { pauseAt: 5, bytes: 10_000 } }
  const way = mode === 'streamed' ? 'stream' : 'lazy'
  const expected: Expected = { saw, code, attempts: ['failed'] }
  if (timeout === 'during' && mode === 'streamed') {
    // 200 MB take longer than a quick function has: a limit of tokens ends it in the same way.
    return { ...base, place: 'bounded', way, event: slowEnd, expected }
  }
  const [count, bytes] = mode === 'streamed' ? [110, 2_000_000] : [7, 1_000_000]
  const place = timeout === 'during' ? 'quick' : 'roomy'
  const event = timeout === 'during' ? slowEnd : {}
  return { ...base, place, way, event, prompt: { pieces: count, bytes }, expected }
}
