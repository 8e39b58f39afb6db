/** Snippets with tools run, against a model that asks for the tool and then says what it was told. */

import { type Piece, startLocal } from 'sluice/local'
import { expect, onTestFinished, test } from 'vitest'

async function started(snippet: string) {
  const local = await startLocal({
    bedrock: {
      latency: 'none',
      async *model({ turns }): AsyncGenerator<Piece[]> {
        const told = turns[2]?.text
        yield told === undefined
          ? [{ toolUse: { name: 'opening_hours', toolUseId: 'one' } }, '{"branch":"Station"}']
          : [`It is open from ${told}.`]
      },
    },
    functions: {
      it: {
        handler: new URL(snippet, import.meta.url),
        timeoutMs: 10_000,
        environment: { AWS_REGION: 'us-east-1' },
      },
    },
  })
  onTestFinished(() => local.close())
  return local.functions.it
}

const text = 'When is the station open?'

test('tools.ts: the model is told what the tool found', async () => {
  const tools = await started('./tools.ts')
  const { payload, error } = await tools.invoke({ text })
  expect(error).toBeUndefined()
  expect(payload).toEqual({ reply: 'It is open from 7 to 20.', rounds: 2 })
})

test('budget-tools.ts: the loop ends when it has cost too much', async () => {
  const tools = await started('./budget-tools.ts')
  const rich = await tools.invoke({ text, maxCostUsd: 0.01 })
  expect(rich.payload).toBe('It is open from 9 to 17.')
  const poor = await tools.invoke({ text, maxCostUsd: 0.000001 })
  expect(poor.error).toMatchObject({
    errorType: 'ToolLimitError',
    errorMessage: expect.stringContaining('0.000001 USD'),
  })
})
