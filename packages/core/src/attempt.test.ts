import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { beforeEach, describe, expect, test } from 'vitest'
import {
  type AttemptPolicy,
  type CallOutcome,
  callModel,
  type ModelResponse,
  type Outcome,
  runInScope,
  type Scope,
} from './index.ts'
import { type FakeScript, fakeModel, resetStatistics } from './testing.ts'

beforeEach(resetStatistics)

interface Witness {
  readonly policies: readonly AttemptPolicy[]
  /** Outcomes that each policy was handed. */
  readonly handed: Record<string, Outcome[]>
}

/** Four policies that note what they are handed; one of them may throw, before or after the transport. */
function witnesses(thrower?: { name: string; when: 'before' | 'after' }): Witness {
  const handed: Record<string, Outcome[]> = {}
  const policies = (['budget', 'quota', 'attempt', 'meter'] as const).map<AttemptPolicy>((stage) => ({
    name: stage,
    stage,
    wrap: (next) => async (request, context) => {
      context.attempt.onEnd((outcome) => {
        handed[stage] = [...(handed[stage] ?? []), outcome]
      })
      if (thrower?.name === stage && thrower.when === 'before') throw new Error('policy')
      const response = await next(request, context)
      if (thrower?.name === stage) throw new Error('policy')
      return response
    },
  }))
  return { policies, handed }
}

async function read(response: ModelResponse, events = Infinity): Promise<void> {
  let count = 0
  for await (const _ of response.events ?? []) if (++count >= events) break
}

interface Ending {
  readonly name: string
  readonly script: FakeScript
  readonly thrower?: { name: string; when: 'before' | 'after' }
  readonly use?: (call: () => Promise<ModelResponse>, scope: Scope, abort: () => void) => Promise<unknown>
  readonly expected: Partial<Outcome>
  /** Policies that took part; the others come after the one that threw. */
  readonly tookPart?: readonly string[]
}

const whole: FakeScript = {}
const stream: FakeScript = { pieces: ['a', 'b', 'c'] }
const hanging: FakeScript = { pieces: ['a'], ending: 'hang' }
const answered = { status: 'answered', estimated: false, partial: false, sent: true } as const

const endings: readonly Ending[] = [
  { name: 'answered whole', script: whole, expected: answered },
  {
    name: 'answered as a stream',
    script: stream,
    use: (call) => call().then(read),
    expected: { ...answered, stopReason: 'end_turn' },
  },
  {
    name: 'rejected',
    script: { error: new Error('no') },
    expected: { status: 'failed', sent: true, partial: false },
  },
  {
    name: 'truncated before content',
    script: { pieces: [], ending: 'truncate' },
    expected: { status: 'failed', partial: false },
  },
  {
    name: 'truncated silently',
    script: { pieces: ['a'], ending: 'truncate' },
    use: (call) => call().then(read),
    expected: { status: 'failed', partial: true, estimated: true },
  },
  {
    name: 'cut with an error',
    script: { pieces: ['a'], ending: 'throw' },
    use: (call) => call().then(read),
    expected: { status: 'failed', partial: true, estimated: true },
  },
  {
    name: 'left early',
    script: stream,
    use: (call) => call().then((response) => read(response, 2)),
    expected: { status: 'left', partial: true, estimated: true },
  },
  {
    name: 'left at the last word, before the usage',
    script: stream,
    use: (call) => call().then((response) => read(response, 5)),
    expected: answered,
  },
  {
    name: 'never read',
    script: stream,
    use: (call) => call(),
    expected: { status: 'left', partial: true, estimated: true },
  },
  {
    name: 'without usage',
    script: { ...stream, usage: undefined },
    use: (call) => call().then(read),
    expected: { status: 'answered', estimated: true, partial: false },
  },
  {
    name: 'aborted while it is sent',
    script: { before: () => new Promise(() => {}) },
    use: async (call, _scope, abort) => {
      const calling = call()
      setImmediate(abort)
      await calling
    },
    expected: { status: 'failed', estimated: true, sent: true },
  },
  {
    name: 'aborted while it is read',
    script: hanging,
    use: async (call, _scope, abort) => {
      const response = await call()
      setImmediate(abort)
      await read(response)
    },
    expected: { status: 'failed', partial: true, estimated: true },
  },
  {
    name: 'aborted between two reads',
    script: stream,
    use: async (call, _scope, abort) => {
      const iterator = ((await call()).events as AsyncIterable<unknown>)[Symbol.asyncIterator]()
      for (let i = 0; i < 3; i++) await iterator.next()
      abort()
      await iterator.next()
    },
    expected: { status: 'failed', partial: true, estimated: true },
  },
  {
    name: 'its scope closed over the sending',
    script: { before: () => new Promise(() => {}) },
    use: async (call, scope) => {
      const calling = call()
      setImmediate(() => scope.end())
      await calling
    },
    expected: { status: 'failed', estimated: true, sent: true },
  },
  {
    name: 'its scope closed over the reading',
    script: hanging,
    use: async (call, scope) => {
      const response = await call()
      setImmediate(() => scope.end())
      await read(response)
    },
    expected: { status: 'failed', partial: true, estimated: true },
  },
  {
    name: 'a policy threw before the transport',
    script: whole,
    thrower: { name: 'quota', when: 'before' },
    expected: { status: 'failed', sent: false, estimated: false },
    tookPart: ['budget', 'quota'],
  },
  {
    name: 'a policy threw after the transport',
    script: whole,
    thrower: { name: 'quota', when: 'after' },
    expected: answered,
  },
  {
    name: 'a policy threw after the stream had begun',
    script: stream,
    thrower: { name: 'quota', when: 'after' },
    expected: { status: 'failed', partial: true, estimated: true },
  },
]

for (const { name, script, thrower, use, expected, tookPart } of endings) {
  test(`${name}: one outcome for every policy that took part, one record of each kind, nothing left open`, async () => {
    const { policies, handed } = witnesses(thrower)
    const model = fakeModel(script)
    const calls: CallOutcome[] = []
    let attempts = 0
    const count = () => {
      attempts++
    }
    const note = (message: unknown) => {
      calls.push(message as CallOutcome)
    }
    subscribe('sluice:attempt', count)
    subscribe('sluice:call', note)
    await runInScope({ policies }, async (scope) => {
      const controller = new AbortController()
      const call = () => callModel(scope, model.request({ streaming: true }), { signal: controller.signal })
      const using = use ? use(call, scope, () => controller.abort()) : call()
      await using.catch(() => {})
    })
    unsubscribe('sluice:attempt', count)
    unsubscribe('sluice:call', note)

    expect(Object.keys(handed)).toEqual(tookPart ?? ['budget', 'quota', 'attempt', 'meter'])
    for (const outcomes of Object.values(handed)) {
      expect(outcomes).toHaveLength(1)
      expect(outcomes[0]).toMatchObject(expected)
      expect(outcomes[0]).toBe(handed.budget?.[0])
    }
    expect(attempts).toBe(1)
    expect(calls).toHaveLength(1)
    expect(model.open).toBe(0)
  })
}

test('an estimated outcome says the most that can have been billed', async () => {
  const model = fakeModel({ pieces: ['some words of an answer'], ending: 'truncate' })
  let outcome: Outcome | undefined
  const meter: AttemptPolicy = {
    name: 'meter',
    stage: 'meter',
    wrap: (next) => (request, context) => {
      context.attempt.onEnd((ended) => {
        outcome = ended
      })
      return next(request, context)
    },
  }
  await runInScope({ policies: [meter] }, async (scope) => {
    const response = await callModel(scope, model.request())
    await expect(read(response)).rejects.toMatchObject({
      name: 'StreamInterruptedError',
      partial: true,
      retryable: true,
    })
  })
  expect(outcome?.usage).toMatchObject({ inputTokens: 10, outputTokens: 7 })
  expect(outcome?.atMost).toMatchObject({ inputTokens: 10, outputTokens: 100 })
})

test('a listener that throws disturbs neither the call nor the other listeners', async () => {
  const warnings: Error[] = []
  const onWarning = (warning: Error) => {
    warnings.push(warning)
  }
  process.on('warning', onWarning)
  const { policies, handed } = witnesses()
  const broken: AttemptPolicy = {
    name: 'broken',
    stage: 'budget',
    wrap: (next) => (request, context) => {
      context.attempt.onEnd(() => {
        throw new Error('secret payload')
      })
      return next(request, context)
    },
  }
  await runInScope({ policies: [broken, ...policies] }, (scope) => callModel(scope, fakeModel().request()))
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', onWarning)
  expect(handed.meter).toHaveLength(1)
  expect(warnings.map(({ message }) => message).join()).toMatch(/listener/)
  expect(warnings.map(({ message }) => message).join()).not.toMatch(/secret/)
})

test('the drain waits for what listeners return', async () => {
  let written = false
  const meter: AttemptPolicy = {
    name: 'meter',
    stage: 'meter',
    wrap: (next) => (request, context) => {
      context.attempt.onEnd(async () => {
        await new Promise((resolve) => setImmediate(resolve))
        written = true
      })
      return next(request, context)
    },
  }
  await runInScope({ policies: [meter] }, (scope) => callModel(scope, fakeModel().request()))
  expect(written).toBe(true)
})

test('an attempt is sent once', async () => {
  const twice: AttemptPolicy = {
    name: 'twice',
    stage: 'quota',
    wrap: (next) => async (request, context) => {
      await next(request, context)
      return next(request, context)
    },
  }
  const model = fakeModel()
  await runInScope({ policies: [twice] }, async (scope) => {
    await expect(callModel(scope, model.request())).rejects.toMatchObject({ code: 'policy_conflict' })
  })
  expect(model.sent).toBe(1)
})

test('impatient readers get the events in order', async () => {
  const model = fakeModel({ pieces: ['a', 'b', 'c'] })
  await runInScope({}, async (scope) => {
    const { events } = await callModel(scope, model.request({ streaming: true }))
    const iterator = (events as AsyncIterable<unknown>)[Symbol.asyncIterator]()
    const steps = await Promise.all(Array.from({ length: 8 }, () => iterator.next()))
    expect(steps.filter(({ done }) => !done).map(({ value }) => value)).toEqual([
      {},
      { text: 'a' },
      { text: 'b' },
      { text: 'c' },
      { stop: 'end_turn' },
      { usage: expect.anything() },
    ])
  })
})

test('an invocation does not end before the provider can have been told to stop', async () => {
  for (const left of ['by its reader', 'by nobody']) {
    const model = fakeModel({ pieces: ['Hello'], ending: 'hang' })
    let turned = false
    await runInScope({}, async (scope) => {
      const { events = [] } = await callModel(scope, model.request({ streaming: true }))
      setImmediate(() => {
        turned = true
      })
      if (left === 'by its reader') for await (const _ of events) break
    })
    expect({ left, turned, open: model.open }).toEqual({ left, turned: true, open: 0 })
  }
})

describe('an abort after the last word, while the usage is outstanding', () => {
  /** Its answer is whole, and then nothing comes any more. */
  async function* withoutUsage() {
    yield { text: 'Hello' }
    yield { stop: 'end_turn' }
    await new Promise(() => {})
  }

  test.for(['in a read', 'between two reads'])('%s: the answer stays whole', async (when) => {
    const { policies, handed } = witnesses()
    const { transport, ...request } = fakeModel({ pieces: [] }).request({ streaming: true })
    const send: typeof transport.send = async (...sent) => ({
      ...(await transport.send(...sent)),
      events: withoutUsage(),
    })
    await runInScope({ policies }, async (scope) => {
      const controller = new AbortController()
      const { signal } = controller
      const { events = [] } = await callModel(
        scope,
        { ...request, transport: { ...transport, send } },
        { signal },
      )
      const iterator = (events as AsyncIterable<unknown>)[Symbol.asyncIterator]()
      expect(await iterator.next()).toMatchObject({ value: { text: 'Hello' } })
      expect(await iterator.next()).toMatchObject({ value: { stop: 'end_turn' } })
      const reading = when === 'in a read' ? iterator.next() : undefined
      controller.abort()
      expect(await (reading ?? iterator.next())).toEqual({ done: true, value: undefined })
      expect(await iterator.next()).toEqual({ done: true, value: undefined })
    })
    expect(handed.meter).toMatchObject([{ status: 'answered', partial: false, estimated: true }])
    expect(handed.meter?.[0]?.error).toBeUndefined()
  })
})
