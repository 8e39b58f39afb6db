import { expect, test } from 'vitest'
import { isForQuota, recordReasons, sandboxKilled } from './reasons.ts'

test('the last line of a message counts, or its death', () => {
  const reasons = recordReasons()
  const head = '2026-11-21T00:00:00.000Z\tid\tERROR\t'
  reasons.read(
    `${head}{"record":"a","status":"deferred","error":"QuotaExceededError","code":"quota_exceeded"}`,
  )
  reasons.read(`${head}{"record":"b","error":"ThrottlingException"}`)
  reasons.read(`${head}{"record":"c","error":"TypeError"}`)
  reasons.read('Something else, {"record" is no line of ours')
  expect(['a', 'b', 'c', 'd'].map(reasons.of)).toEqual([
    'quota_exceeded',
    'ThrottlingException',
    'TypeError',
    undefined,
  ])
  reasons.killed(JSON.stringify({ Records: [{ messageId: 'a' }, { messageId: 'b' }] }))
  expect(['a', 'b', 'c'].map(reasons.of)).toEqual([sandboxKilled, sandboxKilled, 'TypeError'])
})

test('which reasons are a lack of quota', () => {
  expect(['quota_exceeded', 'throttled', 'ThrottlingException'].map(isForQuota)).toEqual([true, true, true])
  expect([sandboxKilled, 'TypeError', undefined].map(isForQuota)).toEqual([false, false, false])
})
