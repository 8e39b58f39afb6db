import type { CostRecord } from '@sluice/cost-meter'
import { type LocalBedrock, startBedrock, startLocal } from 'sluice/local'
import { expect, onTestFinished, test, vi } from 'vitest'

/** USD per million tokens of `us.amazon.nova-lite-v1:0`, from the public page. */
const nova = { input: 0.06, output: 0.24 }

function usdOf({ inputTokens, outputTokens }: ReturnType<LocalBedrock['counters']>): number {
  return (inputTokens * nova.input + outputTokens * nova.output) / 1e6
}

test('cost-meter.ts: the answer tells its price, the log has a line for each record', async () => {
  const lines: string[] = []
  const local = await startLocal({
    bedrock: { latency: 'none' },
    functions: {
      it: {
        handler: new URL('./cost-meter.ts', import.meta.url),
        timeoutMs: 10_000,
      },
    },
    onLog: ({ text }) => {
      lines.push(text)
    },
  })
  onTestFinished(() => local.close())
  const event = { customer: 'acme', text: 'My parcel is late. I want my money back.' }
  const { payload, error } = await local.functions.it.invoke<{ usd: string }>(event)
  expect(error).toBeUndefined()
  const usd = usdOf(local.bedrock.counters())
  expect(Number(payload?.usd)).toBeCloseTo(usd, 12)
  expect(local.bedrock.requests()[0]?.metadata).toEqual({ feature: 'triage', tenant: 'acme' })
  await local.close()
  const records = lines
    .filter((line) => line.startsWith('{"_aws"'))
    .map((line) => JSON.parse(line) as { CostUsd?: number; sluice: CostRecord })
  expect(records.map(({ sluice }) => [sluice.kind, sluice.tenant])).toContainEqual(['attempt', 'acme'])
  expect(records.find(({ CostUsd }) => CostUsd)?.CostUsd).toBeCloseTo(usd, 12)
})

test('cost-meter-script.ts and cost-meter-sinks.ts run', async () => {
  const endpoint = await startBedrock({ latency: 'none' })
  onTestFinished(async () => {
    vi.unstubAllEnvs()
    await endpoint.close()
  })
  const environment = {
    AWS_ENDPOINT_URL_BEDROCK_RUNTIME: endpoint.url,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
  }
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value)
  const log = vi.spyOn(console, 'log').mockImplementation(() => {})
  await import('./cost-meter-script.ts')
  const [[printed = ''] = []] = log.mock.calls as string[][]
  log.mockRestore()
  const [, usd, tokens] = /^([\d.]+) USD for (\d+) tokens$/.exec(printed) ?? []
  expect(Number(usd)).toBeCloseTo(usdOf(endpoint.counters()), 12)
  expect(Number(tokens)).toBe(endpoint.counters().outputTokens)
  expect((await import('./cost-meter-sinks.ts')).meter).toHaveProperty('watch')
})
