/** The record of a request, as every service of the local cloud opens it. */
import { randomUUID } from 'node:crypto'
import type { Account, RequestEntry, RequestRecord } from './counters.ts'
import type { Exchange } from './exchange.ts'

export function openEntry(
  account: Account,
  { transport, headers }: Exchange,
  about: Pick<RequestRecord, 'at' | 'modelId' | 'operation'>,
): RequestEntry {
  const entry = account.request({
    id: randomUUID(),
    ...about,
    transport,
    status: 0,
    outcome: '',
    inputTokens: 0,
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    outputTokens: 0,
    aborted: false,
    totalMs: 0,
  })
  const attempt = /attempt=(\d+)/.exec(String(headers['amz-sdk-request'] ?? ''))
  if (attempt) entry.record.sdkAttempt = Number(attempt[1])
  return entry
}
