import { ConverseCommand, ConverseStreamCommand } from '@aws-sdk/client-bedrock-runtime'
import { describe, expect, test } from 'vitest'
import { extractive } from './model.ts'
import type { JsonObject, ModelRequest } from './request.ts'
import { clientFor, readStream, say, startForTest } from './testing.ts'

async function ask(text: string, change: Partial<ModelRequest> = {}): Promise<string> {
  const request = {
    modelId: '',
    system: '',
    turns: [{ role: 'user', text }],
    stopSequences: [],
    tools: [],
    ...change,
  }
  let answer = ''
  for await (const batch of extractive(request, new AbortController().signal)) {
    answer += batch.map((piece) => (typeof piece === 'string' ? piece : `<${piece.toolUse.name}>`)).join('')
  }
  return answer
}

describe('labels', () => {
  test.each([
    [
      'Classify the message as one of: billing, shipping, other.\n\nMessage: Where is my shipping confirmation?',
      'shipping',
    ],
    ['Classify: I love this, it is great. Answer with one of: positive, negative, neutral', 'positive'],
    [
      'Is the sentiment positive or negative? Classify it as positive or negative: the room was terrible',
      'negative',
    ],
    [
      'Pick a category:\n- billing\n- late shipping\n- other\n\nText: my parcel was shipped too late',
      'late shipping',
    ],
    ['Labels: ["card_arrival", "lost_card"]\nText: I lost my card', 'lost_card'],
    ['Categories: card_arrival | lost_card\n\nText: My card has not arrived yet\nCategory:', 'card_arrival'],
    ['Classify into one of: refund, invoice, other\n\nText: zebras are striped', 'other'],
  ])('%j is %s', async (prompt, label) => {
    expect(await ask(prompt)).toBe(label)
  })

  test('the system prompt may offer them', async () => {
    expect(
      await ask('My card was stolen!', { system: 'Classify each message into one of: stolen_card, top_up' }),
    ).toBe('stolen_card')
  })
})

describe('sentences', () => {
  const text =
    'The launch was delayed. The launch pad had a leak. Engineers found the leak at the launch pad on Monday. A dog barked.'

  test('a summary is made of its sentences, in their order', async () => {
    const summary = await ask(`Summarise in two sentences:\n${text}`)
    expect(summary.split(/(?<=\.) /)).toHaveLength(2)
    expect(text).toContain(summary.split('. ')[0])
    expect(summary).not.toContain('dog')
  })

  test.each([
    ['in 5 words', (answer: string) => answer.split(' ').length === 5],
    ['in 2 bullets', (answer: string) => /^- .+\n- .+$/.test(answer)],
    ['in 50 sentences', (answer: string) => answer === text],
  ])('the length that is asked for is kept: %s', async (length, holds) => {
    expect(await ask(`Summarise ${length}: ${text}`)).toSatisfy(holds)
  })

  test('a question is answered by the sentence nearest to it', async () => {
    expect(await ask('The office opens at nine. Parking is free on Sundays. When is parking free?')).toBe(
      'Parking is free on Sundays.',
    )
  })

  test.each(['Hello', 'Thanks!', '42'])('what is one sentence is said again: %s', async (prompt) => {
    expect(await ask(prompt)).toBe(prompt)
  })

  test('asked who it is, or nothing, it says so', async () => {
    expect(await ask('Who are you?')).toMatch(/small extractive model of sluice\/local/)
    expect(await ask('...')).toMatch(/small extractive model of sluice\/local/)
  })

  test('the same request gets the same answer', async () => {
    expect(await ask(text)).toBe(await ask(text))
  })
})

describe('tools', () => {
  const tool = (name: string, description: string, properties: JsonObject) => ({
    name,
    description,
    inputSchema: { type: 'object', properties, required: Object.keys(properties) },
  })
  const tools = [
    tool('get_weather', 'Weather of a city', { city: { type: 'string' } }),
    tool('cancel_order', 'Cancels an order', { orderId: { type: 'string' } }),
  ]

  test.each([
    ['the one that is named', { name: 'get_weather' }, '<get_weather>{"city":"Bern"}'],
    ['the one that fits', 'any' as const, '<cancel_order>{"orderId":"A-77"}'],
  ])('it calls %s', async (_what, toolChoice, expected) => {
    expect(await ask('City: Bern. Please cancel my order A-77.', { tools, toolChoice })).toBe(expected)
  })

  test('left to itself it answers with text', async () => {
    expect(await ask('Please cancel my order A-77.', { tools })).toBe('Please cancel my order A-77.')
  })
})

describe('through the SDK', () => {
  const schema = { type: 'object', properties: { amount: { type: 'number' } }, required: ['amount'] }
  const toolConfig = {
    tools: [{ toolSpec: { name: 'pay', inputSchema: { json: schema } } }],
    toolChoice: { tool: { name: 'pay' } },
  }

  test('a forced tool is called, whole and streamed', async () => {
    const client = clientFor(await startForTest())
    const whole = await client.send(new ConverseCommand({ ...say('I owe 12.50.'), toolConfig }))
    expect(whole.stopReason).toBe('tool_use')
    const { toolUse } = whole.output!.message!.content![0]!
    expect(toolUse).toMatchObject({ name: 'pay', input: { amount: 12.5 } })
    const { stream } = await client.send(new ConverseStreamCommand({ ...say('I owe 12.50.'), toolConfig }))
    let input = ''
    const order: string[] = []
    for await (const event of stream!) {
      order.push(Object.keys(event)[0]!)
      input += event.contentBlockDelta?.delta?.toolUse?.input ?? ''
      if (event.contentBlockStart)
        expect(event.contentBlockStart.start?.toolUse).toMatchObject({
          name: 'pay',
          toolUseId: toolUse!.toolUseId,
        })
    }
    expect(JSON.parse(input)).toEqual({ amount: 12.5 })
    expect([...new Set(order)]).toEqual([
      'messageStart',
      'contentBlockStart',
      'contentBlockDelta',
      'contentBlockStop',
      'messageStop',
      'metadata',
    ])
  })

  test('a JSON schema is filled as text', async () => {
    const client = clientFor(await startForTest())
    const textFormat = {
      type: 'json_schema' as const,
      structure: { jsonSchema: { schema: JSON.stringify(schema) } },
    }
    const answer = await client.send(
      new ConverseCommand({ ...say('I owe 12.50.'), outputConfig: { textFormat } }),
    )
    expect(JSON.parse(answer.output!.message!.content![0]!.text!)).toEqual({ amount: 12.5 })
  })

  test('a stop sequence ends the answer', async () => {
    const client = clientFor(await startForTest())
    const request = { ...say('One two three.'), inferenceConfig: { stopSequences: ['three'] } }
    expect(await client.send(new ConverseCommand(request))).toMatchObject({
      stopReason: 'stop_sequence',
      output: { message: { content: [{ text: 'One two ' }] } },
    })
    expect(await readStream(await client.send(new ConverseStreamCommand(request)))).toMatchObject({
      text: 'One two ',
    })
  })

  test('a text document is read like text', async () => {
    const client = clientFor(await startForTest())
    const document = {
      format: 'txt' as const,
      name: 'note',
      source: { bytes: Buffer.from('Rain is expected.') },
    }
    const answer = await client.send(
      new ConverseCommand({ ...say('x'), messages: [{ role: 'user', content: [{ document }] }] }),
    )
    expect(answer.output!.message!.content).toEqual([{ text: 'Rain is expected.' }])
  })

  test('a prompt before a cache point is written once and read then', async () => {
    const client = clientFor(await startForTest())
    const system = [{ text: 'word '.repeat(1500) }, { cachePoint: { type: 'default' as const } }]
    const send = async () => (await client.send(new ConverseCommand({ ...say('Hi.'), system }))).usage!
    const first = await send()
    expect(first).toMatchObject({
      cacheReadInputTokens: 0,
      cacheDetails: [{ ttl: '5m', inputTokens: first.cacheWriteInputTokens }],
    })
    const second = await send()
    expect(second).toMatchObject({
      cacheReadInputTokens: first.cacheWriteInputTokens,
      cacheWriteInputTokens: 0,
    })
    expect(second.totalTokens).toBe(first.totalTokens)
  })
})

test.each([
  ['letters', 'a'.repeat(700_000)],
  ['digits', '1'.repeat(700_000)],
  ['blank lines', `Labels:${'\n'.repeat(700_000)}`],
  ['blanks', `Labels: a,${' '.repeat(700_000)}`],
  ['lines of blanks', ' \n'.repeat(300_000)],
  ['labels without end', 'one of: a, '.repeat(60_000)],
  ['names without values', 'email is '.repeat(70_000)],
  ['open tags', '<text>'.repeat(100_000)],
])('a long prompt of %s is answered in time', async (_what, prompt) => {
  const properties = Object.fromEntries(
    ['email', 'orderId', 'phone', 'amount', 'name'].map((name) => [name, { type: 'string' }]),
  )
  const started = process.cpuUsage()
  await ask(`Classify into one of: x, y. ${prompt}`)
  await ask(prompt)
  await ask(prompt, { schema: { type: 'object', properties } })
  expect(process.cpuUsage(started).user).toBeLessThan(3_000_000)
})
