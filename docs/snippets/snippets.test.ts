/** Every snippet of the pages runs: handlers as functions of the local cloud, scripts as processes against it. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import * as core from '@sluice/core'
import { type Local, startLocal } from 'sluice/local'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'

const at = (name: string) => new URL(`./${name}`, import.meta.url)
const complaint = { text: 'This is a complaint: my card never came. I have waited for two weeks.' }

const functions = {
  guarded: { handler: at('guarded-handler.ts'), timeoutMs: 10_000 },
  twoModels: { handler: at('two-models.ts'), timeoutMs: 10_000 },
  streaming: { handler: at('streaming-handler.ts'), timeoutMs: 10_000 },
  handleErrors: { handler: at('handle-errors.ts'), timeoutMs: 10_000 },
  structured: { handler: at('structured.ts'), timeoutMs: 10_000 },
  guardrail: { handler: at('guardrail.ts'), timeoutMs: 10_000 },
  embeddings: { handler: at('embeddings.ts'), timeoutMs: 10_000 },
  step: { handler: at('step.ts'), timeoutMs: 10_000 },
  queueStep: { handler: at('queue-step.ts'), timeoutMs: 10_000 },
}

let local: Local<keyof typeof functions, 'tickets', never>
beforeAll(async () => {
  local = await startLocal({
    bedrock: { latency: 'none', guardrails: { 'no-advice': { blockedWords: ['invest'] } } },
    functions,
    queues: {
      tickets: {
        function: 'queueStep',
        reportBatchItemFailures: true,
        visibilityTimeoutSeconds: 2,
        maxReceiveCount: 1,
      },
    },
  })
})
afterAll(() => local.close())
beforeEach(() => {
  local.bedrock.setFaults([])
  local.bedrock.reset()
})

test('guarded-handler.ts: survives a burst of throttles', async () => {
  local.bedrock.setFaults([{ fault: 'error', name: 'ServiceUnavailableException', status: 503, first: 4 }])
  const { payload, error } = await local.functions.guarded.invoke<{ tokens: number }>(complaint)
  expect(error).toBeUndefined()
  expect(payload?.tokens).toBe(local.bedrock.counters().outputTokens)
  expect(local.bedrock.counters().requests).toBe(5)
})

test('two-models.ts: the large model is asked only for complaints', async () => {
  const complained = await local.functions.twoModels.invoke<{ kind: string; reply?: string }>(complaint)
  expect(complained.payload?.kind).toBe('complaint')
  expect(complained.payload?.reply).toContain('card')
  const asked = await local.functions.twoModels.invoke<{ kind: string }>({ text: 'I have a question.' })
  expect(asked.payload).toEqual({ kind: 'question' })
  const { models } = local.bedrock.counters()
  expect(models['eu.amazon.nova-micro-v1:0']?.requests).toBe(2)
  expect(models['eu.amazon.nova-pro-v1:0']?.requests).toBe(1)
})

test('streaming-handler.ts: a stream that is cut ends with a line that says so', async () => {
  const whole = await local.functions.streaming.invokeStream(complaint)
  expect(await text(whole.body)).toContain('card')
  local.bedrock.setFaults([{ fault: 'truncate', afterEvents: 3 }])
  const cut = await local.functions.streaming.invokeStream(complaint)
  expect(cut.statusCode).toBe(200)
  expect(await text(cut.body)).toMatch(/\[broken off: stream_interrupted\]$/)
  expect((await cut.ended).error).toBeUndefined()
})

test('handle-errors.ts: what cannot get better is an answer, what can is thrown', async () => {
  local.bedrock.setFaults([{ fault: 'throttle', daily: true, first: 1 }])
  const daily = await local.functions.handleErrors.invoke(complaint)
  expect(daily.payload).toEqual({ label: 'unknown', reason: 'daily_quota_exceeded' })
  local.bedrock.setFaults([{ fault: 'cut' }])
  const cut = await local.functions.handleErrors.invoke(complaint)
  expect(cut.error?.errorType).toBe('TransportError')
})

test('structured.ts: the answer is a value', async () => {
  const { payload, error } = await local.functions.structured.invoke({
    text: 'My card never came. I have waited for 14 days.',
  })
  expect(error).toBeUndefined()
  expect(payload).toEqual({ topic: 'card', urgent: true })
})

test('guardrail.ts: what a guardrail says is no answer', async () => {
  const { functions } = local
  const blocked = await functions.guardrail.invoke({ text: 'Where shall I invest?' })
  expect(blocked.payload).toMatchObject({ refused: true, says: expect.stringContaining('Sorry') })
  const passed = await functions.guardrail.invoke(complaint)
  expect(passed.payload).toMatchObject({ refused: false })
})

test('embeddings.ts: finds the passage that is nearest to the question', async () => {
  const passages = ['Transfers take one day.', 'A lost card is blocked at once.', 'Branches open at nine.']
  const question = 'What happens to a lost card?'
  const { payload, error } = await local.functions.embeddings.invoke({ question, passages })
  expect(error).toBeUndefined()
  expect(payload).toEqual({ nearest: passages[1] })
  expect(local.bedrock.counters().requests).toBe(2)
})

test('step.ts: the event is the record, the value is the response', async () => {
  const { payload, error } = await local.functions.step.invoke({
    text: 'My card never came. I have waited for 14 days.',
  })
  expect(error).toBeUndefined()
  expect(payload).toEqual({ topic: 'card', days: 14 })
})

test('queue-step.ts: a message that cannot be read fails alone', async () => {
  const { tickets } = local.queues
  // Warm, so that no cold start outlasts the short visibility time-out.
  await local.functions.queueStep.invoke({ Records: [] })
  await tickets.send([JSON.stringify({ id: 'a', text: 'My card never came.' }), 'no ticket at all'])
  await tickets.settled()
  expect((await tickets.deadLetters()).map(({ body }) => body)).toEqual(['no ticket at all'])
  expect(local.bedrock.counters().outcomes).toEqual({ ok: 1 })
})

test('catch-error.asl.json: names errors that exist', () => {
  const { Retry, Catch } = JSON.parse(readFileSync(at('catch-error.asl.json'), 'utf8')) as Record<
    'Retry' | 'Catch',
    { ErrorEquals: string[] }[]
  >
  const names = [...Retry, ...Catch].flatMap(({ ErrorEquals }) => ErrorEquals)
  expect(names.length).toBeGreaterThan(0)
  expect(Object.keys(core)).toEqual(expect.arrayContaining(names))
})

test('script.ts and watch.ts: a script has a scope, and its calls can be watched', async () => {
  const { stdout, code } = await run('--import', at('watch.ts').href, fileURLToPath(at('script.ts')))
  expect(code).toBe(0)
  const lines = stdout.trim().split('\n')
  expect(lines.map((line) => (line.startsWith('{') ? JSON.parse(line) : line))).toEqual([
    expect.objectContaining({ attempt: 1, status: 'answered', estimated: false }),
    expect.objectContaining({ attempts: 1, status: 'answered' }),
    expect.stringContaining('sluice/local'),
  ])
})

test('local-cloud.ts and local-bedrock.ts: run as they stand', async () => {
  const cloud = await run(fileURLToPath(at('local-cloud.ts')))
  expect(cloud.stdout).toContain('summary')
  const bedrock = await run(fileURLToPath(at('local-bedrock.ts')))
  expect(bedrock.stdout).toContain('{ throttled: 2, ok: 1 }')
  expect([cloud.code, bedrock.code]).toEqual([0, 0])
})

async function run(...args: string[]): Promise<{ stdout: string; code: number }> {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...local.environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const stdout = await text(child.stdout)
  const [code] = (await exited) as [number]
  return { stdout, code }
}
