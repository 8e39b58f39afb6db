import { expect, onTestFinished, test } from 'vitest'
import { letters, startCloud } from './cloud.ts'

test('what the quota does not carry waits in the queue: none is lost, given up or paid for twice', {
  timeout: 60_000,
}, async () => {
  const lines: string[] = []
  const local = await startCloud((line) => lines.push(line))
  onTestFinished(local.close)
  const queue = local.queues.letters
  await queue.send(letters)
  await queue.settled({ signal: AbortSignal.timeout(45_000) })
  expect(await queue.deadLetters()).toEqual([])
  expect(lines.filter((line) => line.includes('"summary"'))).toHaveLength(letters.length)
  const { outcomes } = local.bedrock.counters()
  expect(outcomes.ok).toBe(letters.length)
  // The throttle keeps what has no room, so that hardly any call is refused by the endpoint.
  expect(outcomes.throttled ?? 0).toBeLessThan(letters.length / 20)
  const deferred = lines
    .filter((line) => line.includes('"status":"deferred"'))
    .map((line) => JSON.parse(line.slice(line.indexOf('{'))))
  expect(deferred.length).toBeGreaterThan(0)
  for (const line of deferred)
    expect(line).toMatchObject({ code: 'quota_exceeded', ageMs: expect.any(Number) })
})
