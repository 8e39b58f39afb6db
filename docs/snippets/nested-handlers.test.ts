/** What the page of the two chains says about a handler inside a handler. */

import middy from '@middy/core'
import { currentScope } from '@sluice/core'
import { retry } from '@sluice/model-invocation'
import { expect, test } from 'vitest'

test('until the inner handler is over, its caller is in the inner scope; what began before stays in its own', async () => {
  const { promise: mayEnd, resolve: endInner } = Promise.withResolvers<void>()
  const inner = middy()
    .use(retry())
    .handler(() => mayEnd)
  const outer = middy()
    .use(retry())
    .handler(async (event, context) => {
      const own = currentScope()
      const begunBefore = Promise.resolve().then(currentScope)
      const running = inner(event, context)
      const beside = currentScope()
      expect(await begunBefore).toBe(own)
      expect(beside).not.toBe(own)
      expect(currentScope()).toBe(beside)
      endInner()
      await running
      expect(currentScope()).toBe(own)
    })
  await outer({}, { awsRequestId: 'one' } as never)
  expect.assertions(4)
})
