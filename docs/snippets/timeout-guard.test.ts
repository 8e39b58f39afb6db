import { type LocalBedrock, startBedrock } from 'sluice/local'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'

let bedrock: LocalBedrock
beforeAll(async () => {
  bedrock = await startBedrock({ latency: 'none' })
  vi.stubEnv('AWS_ENDPOINT_URL_BEDROCK_RUNTIME', bedrock.url)
  vi.stubEnv('AWS_REGION', 'eu-central-1')
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test')
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await bedrock.close()
})

/** An invocation that has a second; nobody kills it afterwards, however busy the machine is. */
async function invoke(): Promise<{ summary: string; cut: boolean }> {
  const { handler } = await import('./timeout-guard.ts')
  const endMs = Date.now() + 1_000
  const context = { awsRequestId: 'test', getRemainingTimeInMillis: () => endMs - Date.now() }
  return handler({ text: 'My card was declined at the shop. I have another one.' }, context as never)
}

test('an answer that comes in time is whole', async () => {
  expect(await invoke()).toEqual({ summary: expect.stringContaining('card'), cut: false })
})

test('of one that does not, a part is delivered; of none at all, the error', async () => {
  bedrock.setFaults([{ fault: 'stall', afterEvents: 6 }])
  expect(await invoke()).toEqual({ summary: expect.stringMatching(/\w/), cut: true })
  bedrock.setFaults([{ fault: 'slowStart', ms: 60_000 }])
  await expect(invoke()).rejects.toMatchObject({ name: 'DeadlineExceededError', partial: false })
})
