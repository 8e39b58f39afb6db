import { ChatBedrockConverse } from '@langchain/aws'
import { HumanMessage, type ToolMessage, type UsageMetadata } from '@langchain/core/messages'
import { tool } from '@langchain/core/tools'
import middy from '@middy/core'
import { retry } from '@sluice/model-invocation'
import { guarded } from '@sluice/model-invocation/bedrock'
import type { FaultRule, LocalBedrock } from 'sluice/local'
import { beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { lambdaContext, modelId, newClient, type Observed, observe, startEndpoint } from './testing.ts'

let endpoint: LocalBedrock
let observed: Observed
let chat: ChatBedrockConverse
beforeEach(async () => {
  endpoint = await startEndpoint()
  observed = observe()
  const client = guarded(newClient(endpoint.url), { outside: 'throw' })
  chat = new ChatBedrockConverse({ model: modelId, region: 'us-east-1', maxTokens: 200, client })
})

const unavailable: FaultRule = { fault: 'error', name: 'ServiceUnavailableException', status: 503, first: 1 }
const question = 'My card is lost. Please send me a new one. When will it come?'

/** In a handler with our middleware in front, as an application has it. */
function inHandler<Result>(work: () => Promise<Result>, requestId = 'langchain'): Promise<Result> {
  const handler = middy()
    .use(retry({ random: () => 0 }))
    .handler(work)
  return handler({}, lambdaContext(requestId)) as Promise<Result>
}

function usageOf(): [input: number, output: number] {
  const sum = (of: 'inputTokens' | 'outputTokens') =>
    observed.attempts.reduce((total, { usage }) => total + usage[of], 0)
  return [sum('inputTokens'), sum('outputTokens')]
}

test('invoke: one call, survived by our retry, with the usage that LangChain tells', async () => {
  endpoint.setFaults([unavailable])
  const answer = await inHandler(() => chat.invoke(question))
  expect(answer.text).toMatch(/card/)
  expect(observed.calls).toMatchObject([
    { requestId: 'langchain', operation: 'Converse', attempts: 2, status: 'answered', maxTokens: 200 },
  ])
  const told = answer.usage_metadata as UsageMetadata | undefined
  expect(usageOf()).toEqual([told?.input_tokens, told?.output_tokens])
})

test('stream: the pieces come through, and the usage at their end', async () => {
  endpoint.setFaults([unavailable])
  const text = await inHandler(async () => {
    let text = ''
    for await (const chunk of await chat.stream(question)) text += chunk.text
    return text
  })
  expect(text).toMatch(/card/)
  expect(observed.calls).toMatchObject([{ operation: 'ConverseStream', attempts: 2, status: 'answered' }])
  const { inputTokens, outputTokens } = endpoint.requests().at(-1) ?? {}
  expect(usageOf()).toEqual([inputTokens, outputTokens])
})

test('stream: leaving the loop stops the model, and the attempt is accounted for', async () => {
  endpoint.setFaults([{ fault: 'stall', afterEvents: 4 }])
  await inHandler(async () => {
    for await (const chunk of await chat.stream(question)) if (chunk.text !== '') break
  })
  await endpoint.idle()
  expect(observed.attempts).toMatchObject([{ partial: true, estimated: true }])
  expect(endpoint.counters().requests).toBe(1)
})

test('tools: bound, called by the model, answered, each round a call', async () => {
  const block = tool(async ({ reason }: { reason: string }) => `blocked, ${reason}`, {
    name: 'block_card',
    description: 'Blocks the card of the customer, with the reason',
    schema: z.object({ reason: z.string() }),
  })
  const { first, second } = await inHandler(async () => {
    const first = await chat.bindTools([block], { tool_choice: 'any' }).invoke(question)
    const results: ToolMessage[] = await Promise.all(
      (first.tool_calls ?? []).map((call) => block.invoke(call)),
    )
    const second = await chat
      .bindTools([block])
      .invoke([new HumanMessage(question), first, ...results, new HumanMessage('What was done?')])
    return { first, second }
  })
  expect(first.tool_calls).toMatchObject([{ name: 'block_card', args: { reason: expect.any(String) } }])
  expect(second.text).not.toBe('')
  expect(observed.calls).toMatchObject([
    { status: 'answered', attempts: 1, stopReason: 'tool_use' },
    { status: 'answered', attempts: 1, stopReason: 'end_turn' },
  ])
})

test('structured output: a value of the schema', async () => {
  const Ticket = z.object({ topic: z.enum(['card', 'loan']), summary: z.string() })
  const value = await inHandler(() => chat.withStructuredOutput(Ticket).invoke(question))
  expect(value).toMatchObject({ topic: 'card' })
  expect(observed.calls).toHaveLength(1)
})

test('a batch: every call counts for the invocation that made it', async () => {
  endpoint.setFaults([{ fault: 'barrier', count: 12 }])
  await Promise.all(
    ['a', 'b', 'c'].map((id) =>
      inHandler(() => chat.batch([1, 2, 3, 4].map((number) => `${id}${number}: ${question}`)), id),
    ),
  )
  expect(endpoint.counters().maxOpen).toBe(12)
  const counts = Object.groupBy(observed.calls, ({ requestId = '' }) => requestId)
  expect(Object.entries(counts).map(([id, calls]) => [id, calls?.length])).toEqual([
    ['a', 4],
    ['b', 4],
    ['c', 4],
  ])
})

test('a service that stays down is tried three times, not three times three', async () => {
  endpoint.setFaults([{ ...unavailable, first: 100 }])
  await expect(inHandler(() => chat.invoke(question))).rejects.toMatchObject({
    name: 'ServiceUnavailableException',
  })
  expect(endpoint.counters().requests).toBe(3)
})

test('an error of Bedrock reaches LangChain as the SDK throws it', async () => {
  endpoint.setFaults([{ fault: 'error', name: 'AccessDeniedException', status: 403 }])
  await expect(inHandler(() => chat.invoke(question))).rejects.toMatchObject({
    name: 'AccessDeniedException',
  })
  expect(observed.calls).toMatchObject([{ attempts: 1, status: 'failed' }])
})
