import {
  ConverseCommand,
  type ConverseCommandInput,
  ConverseStreamCommand,
  InvokeModelCommand,
} from '@aws-sdk/client-bedrock-runtime'
import { expect, test } from 'vitest'
import { clientFor, MODEL, say, startForTest } from './testing.ts'

const guardrails = { gr1: { blockedWords: ['Bitcoin', 'lottery'], blockedInputMessage: 'Not about that.' } }
const guardrailConfig = { guardrailIdentifier: 'gr1', guardrailVersion: '1', trace: 'enabled' as const }

async function start(answer = 'A fine answer.') {
  const bedrock = await startForTest({
    guardrails,
    async *model() {
      yield answer.match(/.{1,4}/g) ?? []
    },
  })
  const client = clientFor(bedrock)
  const ask = (text: string, change: Partial<ConverseCommandInput> = {}) =>
    client.send(new ConverseCommand({ ...say(text), guardrailConfig, ...change }))
  return { bedrock, client, ask }
}

test('a prompt with a blocked word never reaches the model, and costs no tokens', async () => {
  const { bedrock, ask } = await start()
  const { output, stopReason, usage, trace } = await ask('Should I buy bitcoin?')
  expect(output?.message?.content).toEqual([{ text: 'Not about that.' }])
  expect(stopReason).toBe('guardrail_intervened')
  expect(usage).toMatchObject({ inputTokens: 0, outputTokens: 0, totalTokens: 0 })
  expect(trace?.guardrail?.inputAssessment?.gr1?.wordPolicy?.customWords).toEqual([
    { match: 'Bitcoin', action: 'BLOCKED', detected: true },
  ])
  await bedrock.idle()
  expect(bedrock.counters()).toMatchObject({ inputTokens: 0, outputTokens: 0, outcomes: { ok: 1 } })
})

test('an answer with a blocked word is replaced, and its prompt is paid', async () => {
  const { ask } = await start('Play the lottery.')
  const { output, stopReason, usage, trace } = await ask('How do I get rich?')
  expect(output?.message?.content?.[0]?.text).toMatch(/cannot answer/)
  expect(stopReason).toBe('guardrail_intervened')
  expect(usage?.inputTokens).toBeGreaterThan(0)
  expect(trace?.guardrail?.outputAssessments?.gr1?.[0]?.wordPolicy?.customWords?.[0]?.match).toBe('lottery')
})

test('what is clean passes, and the trace is told only when asked for', async () => {
  const { ask } = await start()
  const traced = await ask('How are you?')
  expect(traced.stopReason).toBe('end_turn')
  expect(traced.trace?.guardrail?.inputAssessment).toHaveProperty('gr1')
  const untraced = await ask('How are you?', {
    guardrailConfig: { guardrailIdentifier: 'gr1', guardrailVersion: '1' },
  })
  expect(untraced.trace).toBeUndefined()
})

test('streams tell it in messageStop, and the trace in metadata', async () => {
  const { client } = await start('Play the lottery.')
  const { stream } = await client.send(new ConverseStreamCommand({ ...say('Rich?'), guardrailConfig }))
  const events = []
  for await (const event of stream!) events.push(event)
  expect(events.at(-2)?.messageStop?.stopReason).toBe('guardrail_intervened')
  expect(events.at(-1)?.metadata?.trace?.guardrail?.outputAssessments).toHaveProperty('gr1')
})

test('InvokeModel tells it beside the body of the family', async () => {
  const { client } = await start()
  const { body } = await client.send(
    new InvokeModelCommand({
      modelId: MODEL,
      guardrailIdentifier: 'arn:aws:bedrock:us-east-1:123456789012:guardrail/gr1',
      guardrailVersion: '1',
      body: JSON.stringify({
        anthropic_version: 'bedrock-2023-05-31',
        max_tokens: 9,
        messages: [{ role: 'user', content: 'lottery' }],
      }),
    }),
  )
  expect(JSON.parse(body.transformToString())).toMatchObject({
    content: [{ type: 'text', text: 'Not about that.' }],
    'amazon-bedrock-guardrailAction': 'INTERVENED',
  })
})

test('a guardrail that is not there is refused', async () => {
  const { ask } = await start()
  for (const guardrailIdentifier of ['other', 'constructor']) {
    const config = { guardrailIdentifier, guardrailVersion: '1' }
    await expect(ask('Hello', { guardrailConfig: config })).rejects.toThrow('does not exist')
  }
})
