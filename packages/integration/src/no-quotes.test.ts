import { inspect } from 'node:util'
import { runInScope, SluiceError } from '@sluice/core'
import { retry } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'
import { type Local, type LocalModel, startLocal } from 'sluice/local'
import { describe, expect, test } from 'vitest'
import { closers, modelId, newClient, observe, startEndpoint } from './testing.ts'

const canary = 'canary-7f3a'

/** Repeats its prompt, which carries the canary. */
const parrot: LocalModel = async function* parrot({ turns }) {
  for (const word of (turns.at(-1)?.text ?? '').split(/(?<= )/)) yield [word]
}

describe('under the runtime client', () => {
  const lines: string[] = []
  async function start(): Promise<Local<'consume' | 'ask', never, never>> {
    const handler = new URL('./fixtures/bad-input.ts', import.meta.url)
    const local = await startLocal({
      bedrock: { latency: 'none', model: parrot },
      functions: {
        consume: { handler, exportName: 'consume', concurrency: 1, timeoutMs: 20_000 },
        ask: { handler, exportName: 'ask', concurrency: 1, timeoutMs: 20_000 },
      },
      onLog: ({ text }) => lines.push(text),
    })
    closers.push(() => local.close())
    return local
  }

  const record = (messageId: string, body: string) => ({ messageId, body, receiptHandle: messageId })

  test('records fail one by one; events that are none fail as a whole; the sandbox lives', async () => {
    const { bedrock, functions, close } = await start()
    bedrock.setFaults([
      {
        fault: 'error',
        name: 'ValidationException',
        status: 400,
        message: `Malformed input: ${canary}`,
        when: ({ inputTokens }) => inputTokens > 100,
      },
    ])
    const batch = await functions.consume.invoke({
      Records: [
        record('good', `Where is ${canary}?`),
        record('empty', ''),
        record('surrogate', `lone \ud800 ${canary}`),
        record('refused', `${canary} `.repeat(300)),
      ],
    })
    expect(batch).toMatchObject({
      error: undefined,
      payload: { batchItemFailures: [{ itemIdentifier: 'empty' }, { itemIdentifier: 'refused' }] },
    })
    expect(await functions.consume.invoke({ Records: [] })).toMatchObject({
      payload: { batchItemFailures: [] },
    })
    for (const event of [null, { Records: [null] }]) {
      expect((await functions.consume.invoke(event)).error?.errorType, inspect(event)).toBe('TypeError')
    }
    // What is no event of a queue has no records that could fail: so says Middy's middleware.
    for (const event of [{}, { Records: null }, 'text']) {
      expect(await functions.consume.invoke(event)).toMatchObject({ payload: { batchItemFailures: [] } })
    }
    expect(await functions.consume.invoke({ Records: [record('good', 'Where is my card?')] })).toMatchObject({
      coldStart: false,
      payload: { batchItemFailures: [] },
    })
    await close()
    expect(lines.join('\n')).toMatch(/sluice:call/)
    expect(lines.join('\n')).not.toContain(canary)
  })

  test('failures reach the caller by name and with advice, without a word of the prompt or the answer', async () => {
    const { bedrock, functions, close } = await start()
    const outcomes: unknown[] = []
    const failing = async (event: unknown) => {
      const result = await functions.ask.invoke(event)
      outcomes.push(result)
      return result.error
    }
    const quoting = { name: 'ValidationException', status: 400, message: `Malformed input: ${canary}` }
    bedrock.setFaults([{ fault: 'error', ...quoting }])
    expect(await failing({ text: canary })).toMatchObject({
      errorType: 'ModelError',
      errorMessage: expect.stringContaining('does not fit this model'),
    })
    bedrock.setFaults([{ fault: 'throttle', message: `Too many: ${canary}` }])
    expect(await failing({ text: canary })).toMatchObject({ errorType: 'ModelThrottledError' })
    bedrock.setFaults([{ fault: 'garbage', what: 'bytes' }])
    expect(await failing({ text: canary })).toMatchObject({ errorType: expect.stringMatching(/Error$/) })
    bedrock.setFaults([{ fault: 'truncate' }])
    expect(await failing({ text: canary })).toMatchObject({ errorType: expect.stringMatching(/Error$/) })
    bedrock.setFaults([])
    expect(await failing(null)).toMatchObject({ errorMessage: expect.stringContaining('Give a text') })
    expect(await failing({ text: canary })).toBeUndefined()
    await close()
    const written = inspect(outcomes, { depth: null }) + lines.join('\n')
    expect(written).toMatch(/sluice:attempt/)
    expect(written).not.toContain(canary)
  })
})

function rootCause(error: Error): Error {
  return error.cause instanceof Error ? rootCause(error.cause) : error
}

test('nothing that is printed of an error quotes what its original quoted', async () => {
  const endpoint = await startEndpoint({ model: parrot })
  const client = newClient(endpoint.url)
  const observed = observe()
  const written: string[] = []
  for (const fault of [
    { fault: 'error', name: 'ValidationException', status: 400, message: canary },
    { fault: 'throttle', message: canary },
    { fault: 'throttle', daily: true, message: `${canary} tokens per day` },
    { fault: 'error', name: 'InternalFailure', status: 500, message: canary },
    { fault: 'streamException', afterEvents: 3, name: 'modelStreamErrorException', message: canary },
    { fault: 'streamException', afterEvents: 3, name: 'strange', message: canary, unmodelled: true },
    { fault: 'midFrame', afterEvents: 3 },
    { fault: 'garbage', afterEvents: 3 },
    { fault: 'truncate', afterEvents: 3 },
    { fault: 'cut', afterEvents: 3 },
  ] as const) {
    endpoint.setFaults([fault])
    const error = await runInScope({ policies: [retry({ maxAttempts: 1 })] }, async (scope) => {
      const model = bedrock(modelId, { client }).bind(scope)
      return (await model.stream(`Say ${canary} and again ${canary}`)).answer()
    }).then(
      () => expect.unreachable(fault.fault),
      (thrown: Error) => thrown,
    )
    expect(SluiceError.is(error), inspect(error)).toBe(true)
    written.push(
      error.message,
      error.stack ?? '',
      String(error),
      JSON.stringify(error),
      JSON.stringify(Object.entries(error)),
      inspect(error, { depth: null }),
      inspect({ error }, { depth: null }),
    )
    // For whoever looks for it on purpose.
    if ('message' in fault) expect(rootCause(error).message).toContain(canary)
  }
  written.push(JSON.stringify(observed), inspect(observed, { depth: null }))
  expect(written.filter((text) => text.includes(canary))).toEqual([])
  // What is printed still says what happened.
  expect(written[5]).toMatch(/ModelError: Bedrock answered ValidationException[\s\S]*invalid_request/)
})
