import { ConverseCommand, type ConverseCommandInput } from '@aws-sdk/client-bedrock-runtime'
import type { AttemptRecord } from '@sluice/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type BedrockPrompt, bedrock } from '../bedrock.ts'
import { modelId, newClient, recordAttempts, rejection, startBench } from '../fixtures/bench.ts'
import { requestMetadataOf } from './request-metadata.ts'

const hello = [{ role: 'user' as const, content: [{ text: 'Hello' }] }]

/** What the client puts on the wire for a command. */
function wireOf(client: ReturnType<typeof newClient>): object[] {
  const bodies: object[] = []
  client.middlewareStack.add(
    (next) => (args) => {
      const { body } = args.request as { body: string | Uint8Array }
      bodies.push(JSON.parse(new TextDecoder().decode(body as Uint8Array)) as object)
      return next(args)
    },
    { step: 'finalizeRequest' },
  )
  return bodies
}

describe('guardrails', () => {
  const guardrails = { gr1: { blockedWords: ['bitcoin'] } }
  const guardrailConfig = { guardrailIdentifier: 'gr1', guardrailVersion: '1', trace: 'enabled' as const }

  test.each(['prompt', 'settings'] as const)('an intervention is told, wanted by the %s', async (where) => {
    const attempts = recordAttempts()
    const bench = await startBench(() => 'Fine.', { guardrails })
    const prompt: BedrockPrompt = {
      messages: [{ role: 'user', content: [{ text: 'Bitcoin?' }] }],
      ...(where === 'prompt' && { guardrailConfig }),
    }
    const settings = where === 'settings' ? { guardrailConfig } : {}
    const whole = await bench.run((model) => model.invoke(prompt), { settings })
    const streamed = await bench.run(async (model) => (await model.stream(prompt)).answer(), { settings })
    for (const answer of [whole, streamed]) {
      expect(answer).toMatchObject({
        intervened: true,
        stopReason: 'guardrail_intervened',
        text: expect.stringMatching(/cannot answer/),
        output: { trace: { guardrail: { inputAssessment: { gr1: { wordPolicy: expect.anything() } } } } },
      })
    }
    expect(attempts.map(({ stopReason }) => stopReason)).toEqual([
      'guardrail_intervened',
      'guardrail_intervened',
    ])
  })

  test('a clean answer is not one', async () => {
    const bench = await startBench(() => 'Fine.', { guardrails })
    const answer = await bench.run((model) => model.invoke('Hello'), { settings: { guardrailConfig } })
    expect(answer).toMatchObject({ intervened: false, text: 'Fine.' })
  })
})

test('the output is the same whole and streamed: tier, latency, fields of the model, usage and message', async () => {
  const bench = await startBench(() => 'One. Two.')
  const prompt: BedrockPrompt = {
    messages: hello,
    serviceTier: { type: 'flex' },
    performanceConfig: { latency: 'optimized' },
    additionalModelResponseFieldPaths: ['/stop_sequence'],
    inferenceConfig: { stopSequences: [' Two'] },
  }
  const whole = await bench.run((model) => model.invoke(prompt))
  const streamed = await bench.run(async (model) => (await model.stream(prompt)).answer())
  expect(whole.output).toMatchObject({
    stopReason: 'stop_sequence',
    serviceTier: { type: 'flex' },
    performanceConfig: { latency: 'optimized' },
    additionalModelResponseFields: { stop_sequence: ' Two' },
    metrics: { latencyMs: expect.any(Number) },
  })
  const { $metadata, metrics, ...told } = whole.output as typeof whole.output & { $metadata: unknown }
  expect(streamed.output).toMatchObject(told)
  expect({ ...streamed, output: 0 }).toEqual({ ...whole, output: 0 })
})

describe('what is asked', () => {
  async function asked(
    prompt: BedrockPrompt,
    settings: Parameters<typeof bedrock>[1] = {},
    id = modelId,
  ): Promise<ConverseCommandInput> {
    const bench = await startBench()
    const [body] = await bench.run(async (model) => {
      const client = newClient(bench.endpoint.url)
      const bodies = wireOf(client)
      await bedrock(id, { client, ...settings })
        .bind(model.scope)
        .invoke(prompt)
      client.destroy()
      return bodies
    })
    return body as ConverseCommandInput
  }

  test('everything that Converse takes goes through as it is', async () => {
    const prompt = {
      messages: [
        {
          role: 'user' as const,
          content: [
            { text: 'Compare these.' },
            { image: { format: 'png' as const, source: { bytes: Uint8Array.of(1, 2, 3) } } },
            {
              document: { format: 'md' as const, name: 'terms', source: { bytes: Buffer.from('# Terms') } },
            },
            { cachePoint: { type: 'default' as const, ttl: '1h' as const } },
            { guardContent: { text: { text: 'only this', qualifiers: ['query' as const] } } },
          ],
        },
      ],
      system: [{ text: 'Be brief.' }, { cachePoint: { type: 'default' as const } }],
      toolConfig: {
        tools: [{ toolSpec: { name: 'search', inputSchema: { json: { type: 'object' } } } }],
        toolChoice: { auto: {} },
      },
      additionalModelRequestFields: { top_k: 5 },
      additionalModelResponseFieldPaths: ['/stop_sequence'],
      serviceTier: { type: 'priority' as const },
      performanceConfig: { latency: 'optimized' as const },
      requestMetadata: { team: 'blue' },
      outputConfig: { effort: 'low' as const },
    }
    // As the SDK alone would send it.
    const bench = await startBench()
    const client = newClient(bench.endpoint.url)
    const bodies = wireOf(client)
    await client.send(new ConverseCommand({ modelId, ...prompt }))
    client.destroy()
    expect(await asked(prompt)).toEqual(bodies[0])
    const { messages, ...settings } = prompt
    expect(await asked({ messages }, settings)).toEqual(bodies[0])
  })

  test('a system prompt may be a text, and a prompt overrules settings', async () => {
    const body = await asked(
      { messages: hello, system: 'Rhyme.', inferenceConfig: { temperature: 0 } },
      { system: 'Be brief.', maxTokens: 9, temperature: 1, requestMetadata: { team: 'blue' } },
    )
    expect(body).toMatchObject({
      system: [{ text: 'Rhyme.' }],
      inferenceConfig: { maxTokens: 9, temperature: 0 },
      requestMetadata: { team: 'blue' },
    })
    expect(await asked('Hello', { system: 'Be brief.' })).toMatchObject({ system: [{ text: 'Be brief.' }] })
  })

  test.each([
    'eu.amazon.nova-lite-v1:0',
    'arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.amazon.nova-lite-v1:0',
    'arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/abc123',
    'arn:aws:bedrock:eu-central-1:123456789012:default-prompt-router/anthropic.claude:1',
  ])('a model by %s', async (id) => {
    expect(await asked('Hello', {}, id)).toEqual({ messages: hello })
  })

  test('a prompt of Prompt management, which refuses settings even when they are empty', async () => {
    const arn = 'arn:aws:bedrock:eu-central-1:123456789012:prompt/ABCDEFGHIJ:1'
    const promptVariables = { topic: { text: 'cards' } }
    expect(await asked({ promptVariables }, {}, arn)).toEqual({ promptVariables })
  })
})

describe('request metadata', () => {
  test('tenant and tags of the invocation, overruled by the call', async () => {
    const bench = await startBench()
    await bench.run(
      (model) => model.invoke({ messages: hello, requestMetadata: { step: 'triage', own: 'yes' } }),
      { tenant: 'acme', tags: { step: 'x', team: 'blue' } },
    )
    expect(bench.endpoint.requests()[0]?.metadata).toEqual({
      team: 'blue',
      tenant: 'acme',
      step: 'triage',
      own: 'yes',
    })
  })

  test('none when there is nothing to tell', async () => {
    const bench = await startBench()
    await bench.run((model) => model.invoke('Hello'))
    expect(bench.endpoint.requests()[0]).not.toHaveProperty('metadata')
  })

  test('whatever tenant and tags are, Bedrock accepts them', async () => {
    const anything = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.anything(),
    ) as fc.Arbitrary<string>
    const bench = await startBench()
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.string({ unit: 'binary', maxLength: 300 }), anything, { maxKeys: 20 }),
        fc.option(anything, { nil: undefined }),
        async (tags, tenant) => {
          const metadata = requestMetadataOf({ tags, tenant })
          for (const [key, value] of Object.entries(metadata ?? {})) {
            expect(key).toMatch(/^[a-zA-Z0-9\s:_@$#=/+,-.]{1,256}$/)
            expect(value).toMatch(/^[a-zA-Z0-9\s:_@$#=/+,-.]{0,256}$/)
          }
          expect(Object.keys(metadata ?? {}).length).toBeLessThanOrEqual(16)
          await bench.run((model) => model.invoke('Hello'), { tags, tenant })
        },
      ),
      { numRuns: 100 },
    )
  })

  test('of too many, the most specific are kept', () => {
    const tags = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`tag${index}`, 'x']))
    const metadata = requestMetadataOf({ tags, tenant: 'acme' }, { own: 'yes' })
    expect(Object.keys(metadata ?? {})).toHaveLength(16)
    expect(metadata).toMatchObject({ own: 'yes', tenant: 'acme', tag19: 'x' })
  })
})

describe('countTokens', () => {
  test('counts what a call will be billed, and is none itself', async () => {
    const attempts: AttemptRecord[] = recordAttempts()
    const bench = await startBench()
    const settings = { system: 'Be brief.' }
    const counted = await bench.run((model) => model.countTokens('How long is this?'), { settings })
    expect(attempts).toHaveLength(0)
    expect(Object.keys(bench.endpoint.counters().models)).toEqual([
      'anthropic.claude-sonnet-4-5-20250929-v1:0',
    ])
    const answer = await bench.run((model) => model.invoke('How long is this?'), { settings })
    expect(counted).toBe(answer.usage?.inputTokens)
  })

  test('its failures are typed', async () => {
    const faults = [{ fault: 'error', name: 'AccessDeniedException', status: 403 }] as const
    const bench = await startBench(undefined, { faults })
    const error = await rejection(bench.run((model) => model.countTokens('Hello')))
    expect(error).toMatchObject({ name: 'ModelError', code: 'access_denied' })
  })

  test('it can be aborted', async () => {
    const bench = await startBench(undefined, { faults: [{ fault: 'slowStart', ms: 600_000 }] })
    const controller = new AbortController()
    const work = rejection(bench.run((model) => model.countTokens('Hello', { signal: controller.signal })))
    await bench.endpoint.until(({ requests }) => requests > 0)
    controller.abort()
    expect(await work).toMatchObject({ name: 'AbortError' })
  })
})

describe('a message that was collected from a stream', () => {
  test('is the message of the whole answer, tools and all', async () => {
    const turn = [
      { name: 'search', input: { query: 'card' } },
      { name: 'search', input: { query: 'loan' } },
    ]
    const bench = await startBench(() => turn)
    const whole = await bench.run((model) => model.invoke('Hello'))
    const streamed = await bench.run(async (model) => (await model.stream('Hello')).answer())
    expect(streamed.message).toEqual(whole.message)
  })
})
