/** How each fault is done to an exchange. */
import type { Clock } from './clock.ts'
import { errorFrame, eventFrame, exceptionFrame } from './event-stream.ts'
import type { Exchange } from './exchange.ts'
import type { PickedFault } from './faults.ts'
import { ServiceError } from './service-error.ts'

/** A fault that strikes inside the answer, before the event after so many others. */
export interface FaultInAnswer {
  name: string
  afterEvents: number
  /** Gets what is to be sent next and returns what to send instead; nothing means that the answer is over. */
  act(next: Buffer, place: FaultPlace): Promise<Buffer | undefined>
}

/** Where in an answer a fault strikes. */
export interface FaultPlace {
  /** What is sent next is a whole body, and no frame of a stream. */
  whole: boolean
  /** Sends the response headers, if they have not been sent. */
  begin(): void
}

/**
 * Does what is to happen before the answer, and returns what is to happen inside it, or `'over'` if there will
 * be no answer.
 *
 * @throws ServiceError the exception that is the answer
 */
export async function strike(
  { fault, waiting }: PickedFault,
  exchange: Exchange,
  clock: Clock,
): Promise<FaultInAnswer | 'over' | undefined> {
  switch (fault.fault) {
    case 'throttle':
      throw throttling(
        fault.message ?? (fault.daily ? TOO_MANY_TOKENS_PER_DAY : TOO_MANY_REQUESTS),
        fault.retryAfterMs,
      )
    case 'error':
      throw new ServiceError(fault.name, fault.status, fault.message ?? 'Injected by a fault rule.')
    case 'slowStart':
      await clock.sleep(fault.ms, exchange.signal)
      return undefined
    case 'barrier':
      await meet(waiting, fault.count, exchange.signal)
      return undefined
    case 'goaway':
      exchange.goaway(fault.processed ?? false)
      return fault.processed ? undefined : 'over'
    case 'refuse':
      await exchange.resetStream('REFUSED_STREAM')
      return 'over'
    case 'blackhole':
      exchange.swallow()
      return 'over'
    default:
      return { name: fault.fault, afterEvents: fault.afterEvents ?? 0, act: actOf(fault, exchange, clock) }
  }
}

export const TOO_MANY_REQUESTS = 'Too many requests, please wait before trying again.'
export const TOO_MANY_TOKENS = 'Too many tokens, please wait before trying again.'
export const TOO_MANY_TOKENS_PER_DAY = 'Too many tokens per day, please wait before trying again.'

/** The exception of a throttled request. */
export function throttling(message: string, retryAfterMs?: number): ServiceError {
  if (retryAfterMs === undefined) return new ServiceError('ThrottlingException', 429, message)
  // The SDK takes the first hint it finds; only its own counts milliseconds.
  return new ServiceError('ThrottlingException', 429, message, {
    'x-amz-retry-after': String(retryAfterMs),
    'retry-after': String(Math.ceil(retryAfterMs / 1000)),
  })
}

type WithinAnswer = Exclude<
  PickedFault['fault'],
  { fault: 'throttle' | 'error' | 'slowStart' | 'barrier' | 'goaway' | 'refuse' | 'blackhole' }
>

function actOf(fault: WithinAnswer, exchange: Exchange, clock: Clock): FaultInAnswer['act'] {
  const reset = async (code: Parameters<Exchange['resetStream']>[0] | undefined) => {
    await (code ? exchange.resetStream(code) : exchange.resetConnection())
    return undefined
  }
  switch (fault.fault) {
    case 'stall':
      return async (next) => {
        await clock.sleep(fault.ms ?? FOR_EVER_MS, exchange.signal)
        return next
      }
    case 'cut':
      return async () => reset(fault.code)
    case 'truncate':
      return async (next, { begin, whole }) => {
        begin()
        // A stream ends between two events, a whole answer in its middle.
        exchange.end(whole ? half(next) : undefined)
        return undefined
      }
    case 'midFrame':
      return async (next, { begin }) => {
        begin()
        await exchange.write(half(next))
        if (!fault.clean) return reset(fault.code)
        exchange.end()
        return undefined
      }
    case 'garbage':
      return async (next) => {
        if (fault.what === 'bytes') return Buffer.alloc(next.length, '\x07\xfegarbage')
        const corrupt = Buffer.from(next)
        corrupt[corrupt.length - 1]! ^= 0xff
        return corrupt
      }
    case 'unknownEvent':
      return async (next) => Buffer.concat([eventFrame('somethingNewEvent', '{"novelty":true}'), next])
    case 'streamException':
      return async (_next, { begin }) => {
        const { name = 'throttlingException', message = TOO_MANY_REQUESTS, unmodelled, errorCode } = fault
        begin()
        exchange.end(unmodelled ? errorFrame(name, message) : exceptionFrame(name, message, errorCode))
        return undefined
      }
  }
}

/** The longest a timer can wait; the client gives up long before. */
const FOR_EVER_MS = 2 ** 31 - 1

const half = (bytes: Buffer) => bytes.subarray(0, bytes.length >> 1)

/** Waits until `count` are here, then lets them all go on together. */
function meet(waiting: Set<() => void>, count: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const left = () => {
      waiting.delete(release)
      reject(signal.reason)
    }
    const release = () => {
      waiting.delete(release)
      signal.removeEventListener('abort', left)
      resolve()
    }
    if (signal.aborted) return reject(signal.reason)
    signal.addEventListener('abort', left)
    waiting.add(release)
    if (waiting.size < count) return
    for (const go of [...waiting]) go()
  })
}
