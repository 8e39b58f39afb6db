/**
 * What every provider owes, whatever it speaks: run against a real endpoint that can fail on demand. The cases are
 * plain objects, for any test runner: `for (const { name, run } of providerConformance(harness)) test(name, run)`.
 */

import assert from 'node:assert/strict'
import type { Policy } from '../policy.ts'
import type { AttemptRecord } from '../records.ts'
import { attemptChannel } from '../records.ts'
import { runInScope } from '../scope.ts'

/** How the endpoint fails. `before` and `after` mean: before and after the first content of a stream. */
export type ProviderFault =
  | 'throttle'
  | 'daily-throttle'
  | 'unavailable'
  | 'invalid'
  | 'denied'
  | 'refused'
  | 'reset'
  | 'slow'
  | 'stall-before'
  | 'stall-after'
  | 'cut-before'
  | 'cut-after'
  | 'truncate-before'
  | 'truncate-after'
  | 'throttle-in-stream-before'
  | 'throttle-in-stream-after'
  | 'garbage-after'
  | 'unknown-event'

/** One way to call a model, as the suite drives it. */
export interface ProviderHarness {
  readonly streaming: boolean
  /** Faults that this way of calling cannot meet. */
  readonly without?: readonly ProviderFault[]
  /** Policies of every scope; at least a retry of three attempts that does not wait. */
  policies(): readonly Policy[]
  /** The next `times` requests meet the fault, all others none. */
  fail(fault: ProviderFault | undefined, times?: number): void
  /** Calls once, in the current scope. `onContent` is called with each content; returning false leaves the stream. */
  call(options: { signal?: AbortSignal; onContent?: () => boolean }): Promise<void>
  /** The endpoint's own account since the last `reset`. */
  counters(): { requests: number; inputTokens: number; outputTokens: number; open: number }
  reset(): void
  /** Resolves when the endpoint generates nothing any more. */
  idle(): Promise<void>
  /** Resolves when the endpoint has received a request. */
  arrived(): Promise<void>
}

export interface ConformanceCase {
  readonly name: string
  run(): Promise<void>
}

/** The suite for one way of calling a model. */
export function providerConformance(harness: ProviderHarness): ConformanceCase[] {
  const cases: (ConformanceCase & { readonly fault?: ProviderFault; readonly stream?: boolean })[] = [
    {
      name: 'an answer is one attempt with the usage that the endpoint counted',
      async run() {
        const [attempt, ...more] = (await observed(harness, () => harness.call({}))).attempts
        assert.equal(more.length, 0)
        const { inputTokens, outputTokens } = harness.counters()
        assert.equal(attempt?.status, 'answered')
        assert.equal(attempt?.estimated, false)
        assert.deepEqual(
          [attempt?.usage.inputTokens, attempt?.usage.outputTokens],
          [inputTokens, outputTokens],
        )
        assert.ok(outputTokens > 0)
      },
    },
    ...(
      [
        'throttle',
        'unavailable',
        'reset',
        'cut-before',
        'truncate-before',
        'throttle-in-stream-before',
      ] as const
    ).map((fault) => ({
      name: `${fault}: tried again, unnoticed by the caller`,
      fault,
      stream: fault.endsWith('before'),
      async run() {
        harness.fail(fault, 1)
        const { attempts, error } = await observed(harness, () => harness.call({}))
        assert.equal(error, undefined)
        assert.deepEqual(
          attempts.map(({ status }) => status),
          ['failed', 'answered'],
        )
        assert.equal(harness.counters().requests, 2)
      },
    })),
    ...(['daily-throttle', 'invalid', 'denied'] as const).map((fault) => ({
      name: `${fault}: not tried again, and not billed`,
      fault,
      async run() {
        harness.fail(fault)
        const { attempts, error } = await observed(harness, () => harness.call({}))
        assert.ok(error)
        assert.equal(attempts.length, 1)
        assert.equal(attempts[0]?.estimated, false)
        assert.equal(attempts[0]?.usage.inputTokens, 0)
        assert.equal(harness.counters().requests, 1)
      },
    })),
    {
      name: 'throttle: attempts are limited',
      fault: 'throttle',
      async run() {
        harness.fail('throttle')
        const { attempts, error } = await observed(harness, () => harness.call({}))
        assert.ok(error)
        assert.equal(attempts.length, 3)
        assert.equal(harness.counters().requests, 3)
      },
    },
    {
      name: 'refused: sent again without counting as an attempt',
      fault: 'refused',
      async run() {
        harness.fail('refused', 1)
        const { attempts, error } = await observed(harness, () => harness.call({}))
        assert.equal(error, undefined)
        assert.deepEqual(
          attempts.map(({ status }) => status),
          ['answered'],
        )
      },
    },
    ...(['cut-after', 'truncate-after', 'throttle-in-stream-after', 'garbage-after'] as const).map(
      (fault) => ({
        name: `${fault}: a broken stream is an error, metered as seen, and not repeated`,
        fault,
        stream: true,
        async run() {
          harness.fail(fault)
          const { attempts, error } = await observed(harness, () => harness.call({}))
          assert.equal((error as Error | undefined)?.name, 'StreamInterruptedError')
          assert.equal(attempts.length, 1)
          assert.equal(attempts[0]?.status, 'failed')
          assert.equal(attempts[0]?.partial, true)
          assert.equal(attempts[0]?.estimated, true)
          assert.ok((attempts[0]?.usage.outputTokens ?? 0) > 0)
          assert.equal(harness.counters().requests, 1)
        },
      }),
    ),
    {
      name: 'an unknown event is survived',
      fault: 'unknown-event',
      stream: true,
      async run() {
        harness.fail('unknown-event')
        const { attempts, error } = await observed(harness, () => harness.call({}))
        assert.equal(error, undefined)
        assert.equal(attempts[0]?.status, 'answered')
      },
    },
    {
      name: 'leaving the stream stops the generation at the endpoint',
      fault: 'stall-after',
      stream: true,
      async run() {
        harness.fail('stall-after')
        const { attempts, error } = await observed(harness, () => harness.call({ onContent: () => false }))
        await harness.idle()
        assert.equal(error, undefined)
        assert.equal(attempts[0]?.status, 'left')
        assert.equal(attempts[0]?.partial, true)
      },
    },
    ...(['slow', 'stall-before', 'stall-after'] as const).map((fault) => ({
      name: `${fault}: the caller's signal ends the call at once, here and at the endpoint`,
      fault,
      stream: fault !== 'slow',
      async run() {
        harness.fail(fault)
        const controller = new AbortController()
        const abort = () => {
          controller.abort()
          return true
        }
        if (fault !== 'stall-after') harness.arrived().then(abort)
        const onContent = fault === 'stall-after' ? abort : () => true
        const { attempts, error } = await observed(harness, () =>
          harness.call({ signal: controller.signal, onContent }),
        )
        await harness.idle()
        assert.equal((error as Error | undefined)?.name, 'AbortError')
        assert.equal(attempts.length, 1)
        assert.equal(attempts[0]?.estimated, true)
        assert.equal(harness.counters().requests, 1)
      },
    })),
    {
      name: 'a call that is still running when its scope ends is stopped and accounted for',
      fault: 'slow',
      async run() {
        harness.fail('slow')
        let abandoned: Promise<unknown> | undefined
        const { attempts } = await observed(harness, async () => {
          abandoned = harness.call({}).catch((error: Error) => error.name)
          await harness.arrived()
        })
        assert.equal(await abandoned, 'ScopeEndedError')
        await harness.idle()
        assert.equal(attempts.length, 1)
        assert.equal(attempts[0]?.estimated, true)
      },
    },
    {
      name: 'nothing is sent for a call that is aborted before it starts',
      async run() {
        const { attempts, error } = await observed(harness, () =>
          harness.call({ signal: AbortSignal.abort() }),
        )
        assert.equal((error as Error | undefined)?.name, 'AbortError')
        assert.equal(attempts.length, 0)
        assert.equal(harness.counters().requests, 0)
      },
    },
  ]
  return cases
    .filter(
      ({ fault, stream }) => (!fault || !harness.without?.includes(fault)) && (!stream || harness.streaming),
    )
    .map(({ name, run }) => ({
      name,
      async run() {
        harness.fail(undefined)
        await harness.idle()
        harness.reset()
        await run()
      },
    }))
}

interface Observed {
  readonly attempts: readonly AttemptRecord[]
  readonly error: unknown
}

let scopes = 0

/** Runs work in a scope and collects what the scope's attempts came to. */
async function observed(harness: ProviderHarness, work: () => Promise<void>): Promise<Observed> {
  const requestId = `conformance-${++scopes}`
  const attempts: AttemptRecord[] = []
  const listener = (message: unknown) => {
    const record = message as AttemptRecord
    if (record.requestId === requestId) attempts.push(record)
  }
  attemptChannel.subscribe(listener)
  try {
    let error: unknown
    await runInScope({ requestId, policies: harness.policies() }, async () => {
      await work().catch((thrown: unknown) => {
        error = thrown
      })
    })
    return { attempts, error }
  } finally {
    attemptChannel.unsubscribe(listener)
  }
}
