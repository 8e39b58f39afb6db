/** Which models are not worth asking now, agreed on by all sandboxes. */

import { type CallContext, type Scope, SluiceError, untilAborted } from '@sluice/core'
import { type BreakerStore, memoryBreakerStore } from '@sluice/store'
import { switching } from './fallback-candidates.ts'

/** When a circuit opens. The breakers of `cockatiel` are such rules. */
export interface TripRule {
  success(state: number): void
  /** Returns true when the circuit is to open. */
  failure(state: number): boolean
}

export interface CircuitBreakerOptions {
  /**
   * Where sandboxes meet. Failures are counted in each sandbox, so that calls that go well cost no request; what is
   * shared is that a circuit is open, and whose turn it is to try.
   *
   * @default the memory of the sandbox
   */
  readonly store?: BreakerStore
  /**
   * Makes the rule for one model. `() => new SamplingBreaker({ threshold: 0.5, duration: 30_000 })` of `cockatiel` fits.
   *
   * @default five failures in a row
   */
  readonly trip?: () => TripRule
  /**
   * How long an open circuit is left alone before one call may try, in milliseconds.
   *
   * @default 30000
   */
  readonly openMs?: number
  /**
   * The same after the quota of a day was used up: nobody tells when the provider's day turns.
   *
   * @default 900000
   */
  readonly dailyOpenMs?: number
  /**
   * How long the one that tries has for it, in milliseconds. If its sandbox dies, another one may try after this time.
   *
   * @default 60000
   */
  readonly probeLeaseMs?: number
  /**
   * How old may be what is known of the store, in milliseconds.
   *
   * @default 1000
   */
  readonly refreshMs?: number
}

/** Leave to ask a model. */
export interface Pass {
  /** Tells how it went; without an error, that the model answered. */
  end(error?: unknown): void
}

export interface CircuitBreaker {
  /** Leave to ask the model `key`, or the error that says when to come back. */
  admit(key: string, context: CallContext): Promise<Pass | SluiceError>
}

/**
 * Remembers for `fallback()` which models fail, so that a call does not wait for one in vain: after failures in a row
 * the circuit of a model opens and it is passed over; after a while one call at a time, of all sandboxes, tries whether
 * it answers again. Requests that are at fault themselves count neither way. Without its store it goes on alone, and
 * warns once.
 *
 * @throws TypeError when an option cannot be right
 *
 * @example
 * ```ts
 * import middy from '@middy/core'
 * import { circuitBreaker, fallback } from '@sluice/model-invocation'
 * import { dynamoDBBreakerStore } from '@sluice/store/dynamodb'
 *
 * const breaker = circuitBreaker({ store: dynamoDBBreakerStore({ tableName: 'sluice' }) })
 *
 * export const handler = middy()
 *   .use(fallback(['eu.amazon.nova-pro-v1:0', 'eu.amazon.nova-lite-v1:0'], { breaker }))
 *   .handler(async () => 'done')
 * ```
 */
export function circuitBreaker({
  store = memoryBreakerStore(),
  trip = () => consecutive(5),
  openMs = 30_000,
  dailyOpenMs = 15 * 60_000,
  probeLeaseMs = 60_000,
  refreshMs = 1_000,
}: CircuitBreakerOptions = {}): CircuitBreaker {
  for (const [option, value] of Object.entries({ openMs, dailyOpenMs, probeLeaseMs, refreshMs })) {
    if (!(Number.isFinite(value) && value >= 0)) {
      throw new TypeError(`circuitBreaker: ${option} is ${String(value)}. Give a number of at least 0.`)
    }
  }
  const circuits = new Map<string, Circuit>()
  let warned = false

  /** What to believe without the store's word. */
  function alone<Said>(otherwise: Said): (error: unknown) => Said {
    return (error) => {
      if (!warned) {
        const name = error instanceof Error ? error.name : typeof error
        process.emitWarning(
          `circuitBreaker: the store failed (${name}). Each sandbox goes on alone.`,
          'SluiceWarning',
        )
      }
      warned = true
      return otherwise
    }
  }

  function learn(circuit: Circuit, openUntilMs: number | undefined): void {
    // Closed again, by whomever: failures of before do not count.
    if (openUntilMs === undefined && circuit.openUntilMs !== undefined) circuit.rule = trip()
    circuit.openUntilMs = openUntilMs
  }

  async function look(circuit: Circuit): Promise<void> {
    const before = circuit.openUntilMs
    const openUntilMs = await store.get(circuit.key).catch(alone(before))
    // What happened here in between is newer.
    if (circuit.openUntilMs === before) learn(circuit, openUntilMs)
    circuit.read = undefined
  }

  async function circuitOf(key: string, { scope: { clock }, signal }: CallContext): Promise<Circuit> {
    let circuit = circuits.get(key)
    if (!circuit) {
      // Ids can come from users: bounded, the oldest goes first.
      if (circuits.size >= maxCircuits) circuits.delete(circuits.keys().next().value as string)
      circuit = { key, rule: trip(), openUntilMs: undefined, readAtMs: -Infinity, read: undefined }
      circuits.set(key, circuit)
    }
    if (clock.now() - circuit.readAtMs >= refreshMs) {
      circuit.readAtMs = clock.now()
      circuit.read = look(circuit)
    }
    // Also those who come while it is being read want to know.
    if (circuit.read) await untilAborted(circuit.read, signal)
    return circuit
  }

  /** Moves what this sandbox believes at once, and what all do within the invocation. */
  function move(circuit: Circuit, openUntilMs: number | undefined, scope: Scope): void {
    const moved = store.compareAndSet(circuit.key, circuit.openUntilMs, openUntilMs)
    learn(circuit, openUntilMs)
    scope.hold(
      moved.catch(alone(true)).then((done) => {
        // Somebody else was first, and knows better.
        if (!done) circuit.readAtMs = -Infinity
      }),
    )
  }

  function openFor(error: unknown): number {
    return SluiceError.is(error) && error.code === 'daily_quota_exceeded' ? dailyOpenMs : openMs
  }

  function usual(circuit: Circuit, scope: Scope): Pass {
    return {
      end(error) {
        // A call that began before the circuit opened has nothing to add.
        if (circuit.openUntilMs !== undefined) return
        if (error === undefined) return circuit.rule.success(closed)
        if (!isFailure(error)) return
        const trips = circuit.rule.failure(closed)
        if (trips || openFor(error) === dailyOpenMs) move(circuit, scope.clock.now() + openFor(error), scope)
      },
    }
  }

  function probe(circuit: Circuit, leaseEndMs: number, scope: Scope): Pass {
    return {
      end(error) {
        // The lease is over, and it may be somebody else's turn.
        if (circuit.openUntilMs !== leaseEndMs) return
        const now = scope.clock.now()
        if (error === undefined) move(circuit, undefined, scope)
        // What says nothing about the model gives the turn back.
        else move(circuit, isFailure(error) ? now + openFor(error) : now, scope)
      },
    }
  }

  return {
    async admit(key, context) {
      const { scope, signal } = context
      const circuit = await circuitOf(key, context)
      const { openUntilMs } = circuit
      if (openUntilMs === undefined) return usual(circuit, scope)
      const now = scope.clock.now()
      if (now < openUntilMs) return leftAlone(key, openUntilMs - now)
      const leaseEndMs = now + probeLeaseMs
      const claim = store.compareAndSet(key, openUntilMs, leaseEndMs, signal).catch(alone(true))
      if (await untilAborted(claim, signal)) {
        circuit.openUntilMs = leaseEndMs
        return probe(circuit, leaseEndMs, scope)
      }
      circuit.readAtMs = -Infinity
      return leftAlone(key, openMs)
    },
  }
}

const maxCircuits = 256
/** In the words of cockatiel. */
const closed = 0

interface Circuit {
  readonly key: string
  rule: TripRule
  /** As this sandbox knows it; undefined while it is closed. */
  openUntilMs: number | undefined
  readAtMs: number
  read: Promise<void> | undefined
}

function consecutive(threshold: number): TripRule {
  let failures = 0
  return {
    success() {
      failures = 0
    },
    failure: () => ++failures >= threshold,
  }
}

/** A refusal by a quota of our own says nothing about the model; only what came from the provider does. */
const fromProvider = ['ModelError', 'ModelThrottledError', 'TransportError', 'StreamInterruptedError']

function isFailure(error: unknown): boolean {
  return SluiceError.is(error) && fromProvider.includes(error.name) && switching.includes(error.code)
}

function leftAlone(key: string, retryAfterMs: number): SluiceError {
  return new SluiceError(
    `${key} failed too often and is left alone for a while. Come back later, or ask another model.`,
    {
      code: 'unavailable',
      retryable: true,
      retryAfterMs,
      statusCode: 503,
      unbilled: true,
    },
  )
}
