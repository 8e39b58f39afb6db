/** The snippets of the page of budgets. */

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { callModel, runInScope } from '@sluice/core'
import { fakeModel } from '@sluice/core/testing'
import type { BudgetRecord } from '@sluice/cost-meter'
import { dynamoDBBudgetStore } from '@sluice/store/dynamodb'
import { startLocal } from 'sluice/local'
import { expect, onTestFinished, test, vi } from 'vitest'
import { hasJava, startDynamoDB } from '../../packages/store/src/fixtures/dynamodb-local.ts'

// DynamoDB Local is a Java program.
test.runIf(hasJava)(
  'budget.ts: who has spent it is refused, others are answered',
  { timeout: 60_000 },
  async () => {
    const database = await startDynamoDB()
    const local = await startLocal({
      bedrock: { latency: 'none' },
      functions: {
        it: {
          handler: new URL('./budget.ts', import.meta.url),
          timeoutMs: 20_000,
          environment: { AWS_ENDPOINT_URL_DYNAMODB: database.url, AWS_REGION: 'us-east-1' },
        },
      },
    })
    onTestFinished(async () => {
      await local.close()
      await database.close()
    })
    const store = dynamoDBBudgetStore({ ...database, timeoutMs: 20_000 })
    // The month by the clocks of Berlin.
    const month = new Date().toLocaleDateString('sv-SE', { timeZone: 'Europe/Berlin' }).slice(0, 7)
    const account = {
      key: `tenant-month#${month}#acme`,
      limit: 10n ** 15n,
      forgetAtMs: Date.now() + 86_400_000,
    }
    const used = { id: crypto.randomUUID(), amount: 50_000_000_000_000n, expiresAtMs: Date.now() + 60_000 }
    await store.reserve([account], used)
    await store.settle([account], used, used.amount)

    const text = 'My parcel is late. I want my money back.'
    const refused = await local.functions.it.invoke({ customer: 'acme', text })
    expect(refused.payload).toEqual({ refused: 'tenant-month', retryAfterMs: expect.any(Number) })
    const answered = await local.functions.it.invoke({ customer: 'globex', text })
    expect(answered.payload).toEqual({ answer: expect.stringContaining('parcel') })
    const { inputTokens, outputTokens } = local.bedrock.counters()
    const theirs = await store.read({ ...account, key: `tenant-month#${month}#globex` })
    expect(theirs).toEqual({
      spent: BigInt(inputTokens) * 60_000n + BigInt(outputTokens) * 240_000n,
      reserved: 0n,
    })
  },
)

test('budget-switch.ts: is off where the configuration says so', async () => {
  const paths: (string | undefined)[] = []
  const server = createServer(({ url }, response) => {
    paths.push(url)
    response.end('{"mode":"off"}')
  }).listen(0, 'localhost')
  await once(server, 'listening')
  onTestFinished(() => {
    vi.unstubAllEnvs()
    vi.restoreAllMocks()
    server.close()
  })
  vi.stubEnv('AWS_APPCONFIG_EXTENSION_HTTP_PORT', String((server.address() as AddressInfo).port))
  vi.stubEnv('AWS_REGION', 'us-east-1')
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  const { monthly } = await import('./budget-switch.ts')
  const model = fakeModel()
  await runInScope({ policies: [monthly] }, (scope) => callModel(scope, model.request()))
  expect([model.sent, paths]).toEqual([1, ['/applications/support/environments/live/configurations/budget']])
  const { channel } = await import('node:diagnostics_channel')
  const record: BudgetRecord = { event: 'warned', mode: 'enforce', modelId: 'm', tenant: 'acme', budget: 'b' }
  channel('sluice:budget').publish(record)
  expect(warn.mock.calls).toMatchObject([[{ event: 'warned', budget: 'b' }]])
})
