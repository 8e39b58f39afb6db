import { once } from 'node:events'
import { connect } from 'node:net'
import { BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand } from '@aws-sdk/client-bedrock-runtime'
import { expect, test } from 'vitest'
import { startBedrock } from './endpoint.ts'
import { clientFor, readStream, say, startForTest } from './testing.ts'

test('the SDK as it comes, with its own handler, opens a session for each request', async () => {
  const bedrock = await startForTest()
  const client = new BedrockRuntimeClient({
    endpoint: bedrock.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
  })
  for (let turn = 0; turn < 3; turn++) await client.send(new ConverseCommand(say('Hi.')))
  client.destroy()
  expect(bedrock.counters().connections).toMatchObject({ http1: 0, http2: 3 })
  await bedrock.until(({ connections }) => connections.open === 0)
})

test('bytes that are neither protocol hurt nobody else', async () => {
  const bedrock = await startForTest()
  const socket = connect(bedrock.port, '127.0.0.1')
  socket.on('error', () => {})
  socket.end(Buffer.from([0, 1, 2, 3, 0x0d, 0x0a, 0x0d, 0x0a]))
  await once(socket.resume(), 'close')
  await expect(clientFor(bedrock).send(new ConverseCommand(say('Hi.')))).resolves.toBeTruthy()
})

test('the account and the faults are there over HTTP too', async () => {
  const bedrock = await startForTest()
  const post = (path: string, body = '') => fetch(`${bedrock.url}/_sluice/${path}`, { method: 'POST', body })
  expect((await post('faults', JSON.stringify([{ fault: 'throttle', first: 1 }]))).status).toBe(200)
  const client = clientFor(bedrock)
  await expect(client.send(new ConverseCommand(say('Hi.')))).rejects.toMatchObject({
    name: 'ThrottlingException',
  })
  await client.send(new ConverseCommand(say('Hi.')))
  const get = async (path: string): Promise<unknown> => (await fetch(`${bedrock.url}/_sluice/${path}`)).json()
  expect(await get('counters')).toMatchObject({ requests: 2, outcomes: { throttled: 1, ok: 1 } })
  expect(await get('requests')).toMatchObject([{ fault: 'throttle', status: 429 }, { outcome: 'ok' }])
  await post('reset')
  expect(await get('counters')).toMatchObject({ requests: 0, models: {} })
  await expect(client.send(new ConverseCommand(say('Hi.')))).rejects.toMatchObject({
    name: 'ThrottlingException',
  })
  const refused = await post('faults', '[{"fault":"flood"}]')
  expect(refused.status).toBe(400)
  expect(await refused.json()).toEqual({ message: expect.stringContaining('there is no fault "flood"') })
  expect((await post('faults', '{')).status).toBe(400)
  expect((await post('faults', '{}')).status).toBe(400)
})

test('close() ends open streams and frees the port', async () => {
  const bedrock = await startBedrock({ latency: { firstTokenMs: 0, tokensPerSecond: 1, jitter: 0 } })
  const client = clientFor(bedrock)
  const answer = await client.send(new ConverseStreamCommand(say('One two three four five six.')))
  await bedrock.close()
  await readStream(answer)
  const again = await startBedrock({ port: bedrock.port })
  await again.close()
  await bedrock.idle()
})

test.each([
  [{ latency: { tokensPerSecond: 0 } }, 'latency.tokensPerSecond'],
  [{ faults: [{ fault: 'flood' }] }, 'there is no fault "flood"'],
  [{ quotas: [{ tokensPerMinute: -1 }] }, 'quotas[0].tokensPerMinute'],
])('options that cannot be used fail at once: %o', async (options, message) => {
  await expect(startBedrock(options as never)).rejects.toThrow(message)
})
