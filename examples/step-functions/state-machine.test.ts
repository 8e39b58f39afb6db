import { createRequire } from 'node:module'
import { type FaultRule, type LocalModel, startLocal } from 'sluice/local'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import event from './event.json' with { type: 'json' }
import definition from './state-machine.asl.json' with { type: 'json' }
import { execute, functions } from './state-machine.ts'

const local = await startLocal({ bedrock: { latency: 'none' }, functions })
afterAll(local.close)

function run(input: object, faults: readonly FaultRule[] = []) {
  local.bedrock.reset()
  local.bedrock.setFaults(faults)
  return execute(local.functions, input)
}

test('a letter goes through all four functions, and each adds its part', async () => {
  const { output, states } = await run(event)
  expect(states).toEqual(['Extract', 'Classify', 'Generate', 'Validate'])
  expect(output).toEqual({
    ...event,
    facts: { customerName: 'Ada Lovelace', orderNumber: 'A-4711', amount: 12.5 },
    intent: 'card',
    reply: expect.stringContaining('refund of 12.50 EUR'),
  })
  expect(local.bedrock.counters()).toMatchObject({ operations: { converse: 3 }, outcomes: { ok: 3 } })
})

test('what passes soon is tried again in the function, what lasts longer by the state machine', async () => {
  const { output, states } = await run(event, [
    { fault: 'error', name: 'ServiceUnavailableException', status: 503, first: 1 },
    { fault: 'cut', skip: 1, first: 3 },
  ])
  expect(states).toEqual(['Extract', 'Classify', 'Classify', 'Generate', 'Validate'])
  expect(output).toMatchObject({ intent: 'card', reply: expect.stringMatching(/refund/) })
  expect(local.bedrock.counters().outcomes).toEqual({ ServiceUnavailableException: 1, cut: 3, ok: 3 })
})

test('what has no quota waits as long as it is told, and goes on where it was', async () => {
  const throttle: FaultRule = { fault: 'throttle', retryAfterMs: 1, skip: 1, first: 3 }
  const startedAt = performance.now()
  const { output, states } = await run(event, [throttle])
  // A state waits whole seconds.
  expect(performance.now() - startedAt).toBeGreaterThan(1_000)
  expect(states).toEqual(['Extract', 'Classify', 'Classify', 'Generate', 'Validate'])
  expect(output).toMatchObject({
    intent: 'card',
    notNow: { again: { code: 'throttled', retryable: true, retryAfterMs: 1, retryAfterSeconds: 1 } },
  })
  expect(output).not.toHaveProperty('error')
})

test('what has no quota today goes to a human', async () => {
  const { output, states } = await run(event, [{ fault: 'throttle', daily: true, skip: 1 }])
  expect(states).toEqual(['Extract', 'Classify'])
  expect(output).toMatchObject({ notNow: { again: { code: 'daily_quota_exceeded' } }, needsHuman: true })
})

test('what cannot be tried again goes to a human, with the name of the error and what was done so far', async () => {
  const denied: FaultRule = { fault: 'error', name: 'AccessDeniedException', status: 403, skip: 1 }
  const { output, states } = await run(event, [denied])
  expect(states).toEqual(['Extract', 'Classify'])
  expect(output).toMatchObject({
    ...event,
    facts: { orderNumber: 'A-4711' },
    error: { Error: 'ModelError', Cause: expect.stringContaining('bedrock:InvokeModel') },
    needsHuman: true,
  })
  expect(JSON.stringify(output).match(/Lovelace/g)).toHaveLength(2)
})

test('a reply with a number that the customer has not written goes to a human', async () => {
  const answers: Record<string, string> = {
    facts: '{"customerName":null,"orderNumber":null,"amount":12.5}',
    intent: '{"intent":"refund"}',
  }
  const model: LocalModel = async function* inventive({ tools }) {
    const [tool] = tools
    if (!tool) yield ['We have sent you 99 EUR.']
    else {
      const what = 'intent' in (tool.inputSchema.properties as object) ? 'intent' : 'facts'
      yield [{ toolUse: { name: tool.name, toolUseId: what } }, answers[what] ?? '']
    }
  }
  const other = await startLocal({ bedrock: { latency: 'none', model }, functions })
  onTestFinished(other.close)
  const { output, states } = await execute(other.functions, { text: 'I want 12.50 EUR back.' })
  expect(states).toEqual(['Extract', 'Classify', 'Generate', 'Validate'])
  expect(output).toMatchObject({
    intent: 'refund',
    reply: 'We have sent you 99 EUR.',
    error: { Error: 'UngroundedReplyError' },
    needsHuman: true,
  })
})

test('the definition is valid, calls functions that are there, and catches what they throw', () => {
  const validate = createRequire(import.meta.url)('asl-validator') as (
    definition: object,
    options: { readonly checkPaths: boolean },
  ) => { readonly isValid: boolean; readonly errorsText: () => string }
  const { isValid, errorsText } = validate(definition, { checkPaths: true })
  expect(isValid, errorsText()).toBe(true)
  const { Next, ...dead } = definition.States.Extract
  const broken = { ...definition, States: { ...definition.States, Extract: { ...dead, Next: 'Nowhere' } } }
  expect(validate(broken, { checkPaths: true }).isValid).toBe(false)

  const called = Object.values(definition.States).flatMap((state) =>
    'Parameters' in state && 'FunctionName' in state.Parameters ? [state.Parameters.FunctionName] : [],
  )
  expect(called).toEqual(Object.keys(functions))
})
