import { expect, test } from 'vitest'
import { MODEL, startForTest } from './testing.ts'

test.each([
  ['no JSON', '{"messages":', 'converse', 'SerializationException'],
  ['no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), 'converse', 'SerializationException'],
  ['no object', '[]', 'converse', 'SerializationException'],
  ['no JSON', '{', 'invoke', 'ValidationException'],
  ['no UTF-8', Buffer.from([0xc3, 0x28]), 'invoke', 'ValidationException'],
  ['a body of another family', '{"prompt":"x"}', 'invoke', 'ValidationException'],
  ['no input', '{}', 'count-tokens', 'ValidationException'],
])('a body that is %s (%s) fails as %s with 400', async (_what, body, operation, name) => {
  const bedrock = await startForTest()
  const response = await fetch(`${bedrock.url}/model/${encodeURIComponent(MODEL)}/${operation}`, {
    method: 'POST',
    body,
  })
  expect(response.status).toBe(400)
  expect(response.headers.get('x-amzn-errortype')).toMatch(new RegExp(`^${name}:`))
  expect(response.headers.get('x-amzn-requestid')).toMatch(/^[0-9a-f-]{36}$/)
  expect(await response.json()).toEqual({ message: expect.any(String) })
})

test.each([
  ['GET', '/model/amazon.nova-lite-v1:0/converse'],
  ['POST', '/model/amazon.nova-lite-v1:0/chat'],
  ['POST', '/model/converse'],
  ['POST', '/model/%E0%A4%A/converse'],
  ['POST', '/'],
])('%s %s is no operation', async (method, path) => {
  const bedrock = await startForTest()
  const response = await fetch(bedrock.url + path, { method })
  expect(response.status).toBe(404)
  expect(response.headers.get('x-amzn-errortype')).toMatch(/^UnknownOperationException/)
})
