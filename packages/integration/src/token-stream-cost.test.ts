/** The last event of a stream and the meter of the invocation say the same. */

import { text } from 'node:stream/consumers'
import middy from '@middy/core'
import { type CostRecord, costMeter } from '@sluice/cost-meter'
import { modelInvocation } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'
import { tokenStream } from '@sluice/token-stream'
import { expect, test } from 'vitest'
import { lambdaContext, modelId, newClient, startEndpoint } from './testing.ts'

for (const first of ['meter', 'stream'] as const) {
  test(`cost and usage of a stream, with the ${first} first`, async () => {
    const endpoint = await startEndpoint({ faults: [{ fault: 'cut', afterEvents: 5, skip: 1 }] })
    const client = newClient(endpoint.url)
    const records: CostRecord[] = []
    const meter = costMeter({ region: 'us-east-1', sinks: [(record) => void records.push(record)] })
    const stream = tokenStream({ delivery: 'stream', onFailure() {} })
    const handler = middy<{ text: string }>()
      .use(first === 'meter' ? [meter, stream] : [stream, meter])
      .use(modelInvocation({ model: bedrock(modelId, { client, maxTokens: 40 }) }))
      .handler(({ text }, { model }) => model.stream(text))

    async function lastEvent(requestId: string) {
      const response = (await handler(
        { text: 'Summarise: the card never came.' },
        lambdaContext(requestId) as never,
      )) as {
        body: AsyncIterable<Uint8Array>
      }
      const [, data = '{}'] = /event: (?:done|error)\ndata: (.*)\n\n$/.exec(await text(response.body)) ?? []
      return JSON.parse(data) as { cost?: string; usage?: object; code?: string }
    }

    for (const requestId of ['whole', 'cut']) {
      const { cost, usage, code } = await lastEvent(requestId)
      expect(code).toBe(requestId === 'cut' ? 'stream_interrupted' : undefined)
      const record = records.find((each) => each.kind === 'attempt' && each.requestId === requestId)
      expect(record).toMatchObject({ cost: { usd: cost }, usage })
      expect(Number(cost)).toBeGreaterThan(0)
    }
  })
}
