import type { Policy } from '@sluice/core'
import { runInScope } from '@sluice/core'
import { bedrock, guarded } from '@sluice/model-invocation/bedrock'
import { expect, test } from 'vitest'
import { modelId, newClient, observe, startEndpoint } from './testing.ts'
import { ways } from './ways.ts'

/** As a guard does when time is short. */
const shortened: Policy = {
  name: 'shortened',
  stage: 'retry',
  wrap: (next) => (request, context) =>
    next(request.transport.withMaxTokens?.(request, 3) ?? request, context),
}

const asks = [
  ...ways.map(({ operation, call }) => ({ name: `guarded client, ${operation}`, call })),
  {
    name: 'model.invoke',
    call: (client: ReturnType<typeof newClient>) =>
      runInScope({ policies: [shortened] }, async (scope) => {
        const model = bedrock(modelId, { client, maxTokens: 500 }).bind(scope)
        const { text, stopReason } = await model.invoke('Where is my card?')
        expect(stopReason).toBe('max_tokens')
        return text
      }),
  },
]

test.for(asks)('fewer tokens are asked of the endpoint, and the prompt stays: $name', async ({ call }) => {
  const endpoint = await startEndpoint()
  const observed = observe()
  const client = guarded(newClient(endpoint.url))
  const text = await runInScope({ policies: [shortened] }, () => call(client))
  expect(text.length).toBeGreaterThan(0)
  expect(endpoint.counters()).toMatchObject({ requests: 1, outputTokens: 3 })
  expect(observed.attempts).toMatchObject([{ maxTokens: 3, stopReason: 'max_tokens' }])
  expect(observed.calls).toMatchObject([{ status: 'answered', stopReason: 'max_tokens' }])
  expect(observed.calls[0]?.maxTokens).not.toBe(3)
})
