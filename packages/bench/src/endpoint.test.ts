import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { BedrockRuntimeClient, ConverseCommand } from '@aws-sdk/client-bedrock-runtime'
import { expect, test } from 'vitest'

test('tells its URL first and ends with its standard input', async () => {
  const main = fileURLToPath(new URL('./endpoint.ts', import.meta.url))
  const child = spawn(process.execPath, [main, '{"options":{"latency":"none"}}'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const { url } = JSON.parse(String(line)) as { url: string }
  const client = new BedrockRuntimeClient({
    endpoint: url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
  })
  const messages = [{ role: 'user' as const, content: [{ text: 'Hi.' }] }]
  const answer = await client.send(new ConverseCommand({ modelId: 'amazon.nova-lite-v1:0', messages }))
  expect(answer.stopReason).toBe('end_turn')
  client.destroy()
  child.stdin.end()
  expect(await once(child, 'exit')).toEqual([0, null])
})
