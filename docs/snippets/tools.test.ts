/** tools.ts runs, against a model that asks for the tool and then says what it was told. */

import { type Piece, startLocal } from 'sluice/local'
import { expect, test } from 'vitest'

test('tools.ts: the model is told what the tool found', async () => {
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
    functions: { tools: { handler: new URL('./tools.ts', import.meta.url), timeoutMs: 10_000 } },
  })
  const { payload, error } = await local.functions.tools.invoke({ text: 'When is the station open?' })
  await local.close()
  expect(error).toBeUndefined()
  expect(payload).toEqual({ reply: 'It is open from 7 to 20.', rounds: 2 })
})
