import { BedrockRuntimeClient, ConverseCommand } from '@aws-sdk/client-bedrock-runtime'
import { startBedrock } from 'sluice/local'
import { expect, onTestFinished, test } from 'vitest'
import { burst } from './burst.ts'

test('a burst strikes every fifth request from where it begins, its faults in turn', async () => {
  const faults = burst([{ fault: 'throttle' }, { fault: 'error', name: 'Oops', status: 500 }], 5, 3)
  const bedrock = await startBedrock({ latency: 'none', faults })
  onTestFinished(bedrock.close)
  const client = new BedrockRuntimeClient({
    endpoint: bedrock.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    maxAttempts: 1,
  })
  onTestFinished(() => client.destroy())
  const messages = [{ role: 'user' as const, content: [{ text: 'hello' }] }]
  for (let request = 0; request < 20; request++) {
    await client.send(new ConverseCommand({ modelId: 'amazon.nova-lite-v1:0', messages })).catch(() => {})
  }
  const struck = bedrock.requests().map(({ fault }) => fault?.charAt(0) ?? '.')
  expect(struck.join('')).toBe('.....t....e....t....')
})
