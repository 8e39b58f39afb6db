import { Logger } from '@aws-lambda-powertools/logger'
import { runInScope } from '@sluice/core'
import { fakeModel } from '@sluice/core/testing'
import { expect, test } from 'vitest'
import { costMeter } from '../cost-meter.ts'
import { callAndRead, prices } from '../fixtures/testing.ts'

test('each record is a line of the logger, without any payload', async () => {
  await prices.open('fake.model-v1')
  const lines: object[] = []
  const logger = new Logger({ serviceName: 'triage' })
  const console_ = (logger as unknown as { console: Console }).console
  console_.info = (line: string) => {
    lines.push(JSON.parse(line))
  }
  const meter = costMeter({ logger, prices })
  const payload = { messages: [{ content: [{ text: 'my secret' }] }] }
  await runInScope({ requestId: 'r1' }, async (scope) => {
    meter.watch(scope)
    await callAndRead(scope, fakeModel().request({ payload }))
  })
  expect(lines).toMatchObject([
    { level: 'INFO', service: 'triage', message: 'model attempt', sluice: { cost: { usd: '0.000105' } } },
    { message: 'model call', sluice: { kind: 'call', callId: 'r1:1' } },
    { message: 'model cost of the invocation', sluice: { kind: 'invocation' } },
  ])
  expect(JSON.stringify(lines)).not.toMatch(/secret|payload/)
})
