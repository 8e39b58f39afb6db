import { ConverseCommand, ConverseStreamCommand } from '@aws-sdk/client-bedrock-runtime'
import middy from '@middy/core'
import { type AttemptPolicy, currentScope, policyMiddleware, scopeHooks } from '@sluice/core'
import { modelInvocation, retry } from '@sluice/model-invocation'
import { bedrock, guarded } from '@sluice/model-invocation/bedrock'
import type { LocalBedrock } from 'sluice/local'
import { beforeEach, expect, test } from 'vitest'
import { callsPerInvocation, manyCalls, type Sighting } from './many-calls.ts'
import {
  asking,
  lambdaContext,
  modelId,
  newClient,
  type Observed,
  observe,
  startEndpoint,
} from './testing.ts'

let endpoint: LocalBedrock
let observed: Observed
beforeEach(async () => {
  endpoint = await startEndpoint()
  observed = observe()
})

/** An answer that never comes: whoever asks for it hangs until the call is stopped. */
function stall(): void {
  endpoint.setFaults([{ fault: 'stall' }])
}

const asked = () => endpoint.until(({ open }) => open > 0)

test('64 invocations in one process, all held open at once at the endpoint: no call is counted for another', async () => {
  const invocations = Array.from({ length: 64 }, (_, invocation) => invocation)
  // Every round of calls waits until all 64 are there.
  endpoint.setFaults([{ fault: 'barrier', count: 64 }])
  const sightings: Sighting[] = []
  const handler = manyCalls(newClient(endpoint.url), (sighting) => sightings.push(sighting))
  const results = await Promise.all(
    invocations.map((invocation) => handler({ invocation }, lambdaContext(`request-${invocation}`) as never)),
  )

  expect(endpoint.counters()).toMatchObject({ maxOpen: 64, requests: 64 * callsPerInvocation, open: 0 })
  expect(results.map(({ scopes }) => scopes)).toEqual(
    invocations.map((invocation) => [`request-${invocation}`]),
  )
  expect(sightings).toHaveLength(64 * callsPerInvocation)
  for (const { invocation, requestId, status } of sightings) {
    expect({ requestId, status }).toEqual({ requestId: `request-${invocation}`, status: 'answered' })
  }
  for (const invocation of invocations) {
    const own = sightings.filter((sighting) => sighting.invocation === invocation)
    expect(own).toHaveLength(callsPerInvocation)
  }
})

test('a call that nobody awaits ends with its invocation, and one that starts later is refused', async () => {
  stall()
  const client = guarded(newClient(endpoint.url))
  const { promise: wakeUp, resolve: wake } = Promise.withResolvers<void>()
  let running: Promise<unknown> | undefined
  let late: Promise<unknown> | undefined
  const handler = middy()
    .use(retry())
    .handler(async () => {
      running = client.send(new ConverseCommand(asking('nobody waits'))).catch((error) => error)
      late = wakeUp.then(() => client.send(new ConverseCommand(asking('too late')))).catch((error) => error)
      await asked()
      return 'done'
    })
  expect(await handler({}, lambdaContext('first'))).toBe('done')
  expect(await running).toMatchObject({ name: 'ScopeEndedError', code: 'scope_ended' })
  await endpoint.idle()

  // The promise wakes up while the next invocation is running: it is not the next one's to pay for.
  endpoint.setFaults([])
  const next = middy()
    .use(retry())
    .handler(async () => {
      wake()
      await late
      await client.send(new ConverseCommand(asking('in time')))
    })
  await next({}, lambdaContext('second'))
  expect(await late).toMatchObject({
    name: 'ScopeEndedError',
    message: expect.stringContaining('Await the call'),
  })
  expect(observed.attempts.map(({ requestId, status }) => [requestId, status])).toEqual([
    ['first', 'failed'],
    ['second', 'answered'],
  ])
  expect(endpoint.counters().requests).toBe(2)
})

test('a handler that throws takes its open calls with it', async () => {
  stall()
  const client = guarded(newClient(endpoint.url))
  let running: Promise<unknown> | undefined
  const handler = middy()
    .use(retry())
    .handler(async () => {
      running = client.send(new ConverseCommand(asking('open'))).catch((error) => error)
      await asked()
      throw new RangeError('of the handler')
    })
  await expect(handler({}, lambdaContext('throwing'))).rejects.toThrow(RangeError)
  expect(await running).toMatchObject({ name: 'ScopeEndedError' })
  await endpoint.idle()
  expect(observed.attempts).toMatchObject([{ requestId: 'throwing', status: 'failed', estimated: true }])
})

test('the early timeout of Middy ends the scope: what hangs is stopped, what the handler still tries is refused', async () => {
  stall()
  const client = guarded(newClient(endpoint.url))
  const ends: unknown[] = []
  let handled: Promise<void> | undefined
  const handler = middy({ timeoutEarlyInMillis: 10 })
    .use(retry())
    .handler(() => {
      handled = (async () => {
        await client.send(new ConverseCommand(asking('hangs'))).catch((error) => ends.push(error.name))
        await client.send(new ConverseCommand(asking('again'))).catch((error) => ends.push(error.name))
      })()
      return handled
    })
  await expect(handler({}, lambdaContext('late', 500))).rejects.toMatchObject({ name: 'TimeoutError' })
  await handled
  expect(ends).toEqual(['ScopeEndedError', 'ScopeEndedError'])
  await endpoint.idle()
  expect(endpoint.counters().requests).toBe(1)
})

const earlyExits = {
  'a before that returns': (answer: () => unknown) => ({ before: answer }),
  'a before that sets earlyResponse': (answer: () => unknown) => ({
    before(request: object) {
      Object.assign(request, { earlyResponse: answer() })
    },
  }),
  'an after that returns': (answer: () => unknown) => ({ after: answer }),
  'an onError that returns': (answer: () => unknown) => ({
    before() {
      throw new Error('of a before')
    },
    onError: answer,
  }),
}

for (const [name, exit] of Object.entries(earlyExits)) {
  test(`${name} exits early: the hooks that would have ended the scope do not run, it ends all the same`, async () => {
    stall()
    const client = guarded(newClient(endpoint.url))
    let running: Promise<unknown> | undefined
    const open = () => {
      running = client.send(new ConverseCommand(asking('open'))).catch((error) => error)
      return asked()
    }
    const handler = middy()
      .use(retry())
      .use({ before: () => open() })
      .use(exit(() => 'early'))
      .handler(async () => 'from the handler')
    expect(await handler({}, lambdaContext('early'))).toBe('early')
    expect(await running).toMatchObject({ name: 'ScopeEndedError' })
    await endpoint.idle()
  })
}

test('an early exit waits for what is being written', async () => {
  let written = false
  const { promise: writing, resolve } = Promise.withResolvers<void>()
  const handler = middy()
    .use(retry())
    .before(() => {
      const write = async () => {
        await writing
        written = true
      }
      currentScope()?.hold(write())
      setImmediate(resolve)
      return 'early'
    })
    .handler(async () => 'never')
  expect(await handler({}, lambdaContext('early'))).toBe('early')
  expect(written).toBe(true)
})

test('a handler inside a handler has a scope of its own, and the outer one goes on after it', async () => {
  const client = guarded(newClient(endpoint.url))
  const scopes: (string | undefined)[] = []
  const call = async (text: string) => {
    scopes.push(currentScope()?.id)
    await client.send(new ConverseCommand(asking(text)))
  }
  const inner = middy()
    .use(retry())
    .use(modelInvocation({ model: bedrock(modelId, { client }), contextKey: 'inner' }))
    .handler(async (_event, { inner }) => {
      await call('inner')
      await inner.invoke('inner, by the model')
    })
  const outer = middy()
    .use(retry())
    .use(modelInvocation({ model: bedrock(modelId, { client }), contextKey: 'outer' }))
    .handler(async (event, context) => {
      await call('before')
      await inner(event, context as never)
      await call('between')
      await Promise.all([inner(event, context as never), inner(event, context as never)])
      await call('after')
      await context.outer.invoke('after, by the model')
    })
  await outer({}, lambdaContext('nested') as never)

  expect(observed.attempts).toHaveLength(10)
  expect(new Set(observed.attempts.map(({ requestId }) => requestId))).toEqual(new Set(['nested']))
  // Ids of calls tell calls apart, also those of two scopes of one invocation.
  expect(new Set(observed.calls.map(({ callId }) => callId)).size).toBe(10)
  const [before, firstInner, between, ...rest] = scopes
  expect(firstInner).not.toBe(before)
  expect([between, rest.at(-1)]).toEqual([before, before])
})

test('a handler inside a handler is held to the policies, the tenant and the tags of the one around it', async () => {
  const client = guarded(newClient(endpoint.url))
  const passed: string[] = []
  const policy = (name: string, label: string) =>
    policyMiddleware<AttemptPolicy>({
      name,
      stage: 'quota',
      wrap: (next) => (request, context) => {
        passed.push(`${label} for ${context.scope.tenant}`)
        return next(request, context)
      },
    })
  const tenant = scopeHooks({
    name: 'tenant',
    enter(scope) {
      scope.tenant = 'acme'
    },
  })
  const inner = middy()
    .use(policy('both', 'inner both'))
    .handler(async () => {
      await client.send(new ConverseCommand(asking('inner')))
    })
  const outer = middy()
    .use(tenant)
    .use(policy('quota', 'outer quota'))
    .use(policy('both', 'outer both'))
    .handler(async (event, context) => inner(event, context))
  await outer({}, lambdaContext('nested'))
  expect(passed.toSorted()).toEqual(['inner both for acme', 'outer quota for acme'])
})

test('a handler inside a handler may outlive no invocation: afterwards both scopes have ended', async () => {
  const client = guarded(newClient(endpoint.url))
  const { promise: wakeUp, resolve: wake } = Promise.withResolvers<void>()
  let late: Promise<unknown> | undefined
  const inner = middy()
    .use(retry())
    .handler(async () => {
      late = wakeUp.then(() => client.send(new ConverseCommand(asking('late')))).catch((error) => error)
    })
  const outer = middy()
    .use(retry())
    .handler(async (event, context) => inner(event, context))
  await outer({}, lambdaContext('nested'))
  wake()
  expect(await late).toMatchObject({ name: 'ScopeEndedError' })
})

test('a stream that nobody reads is stopped with its invocation and counted as left', async () => {
  const client = guarded(newClient(endpoint.url))
  endpoint.setFaults([{ fault: 'stall', afterEvents: 3 }])
  const handler = middy()
    .use(retry())
    .handler(async () => {
      await client.send(new ConverseStreamCommand(asking('The card never came. Please send another one.')))
    })
  await handler({}, lambdaContext('unread'))
  await endpoint.idle()
  expect(observed.attempts).toMatchObject([{ status: 'left', partial: true, estimated: true }])
})
