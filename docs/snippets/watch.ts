import { subscribe } from 'node:diagnostics_channel'
import type { AttemptRecord, CallRecord } from '@sluice/core'

// One line for each attempt: what is billed.
subscribe('sluice:attempt', (message) => {
  const { callId, attempt, modelId, status, usage, estimated, error } = message as AttemptRecord
  console.log(
    JSON.stringify({
      callId,
      attempt,
      modelId,
      status,
      inputTokens: usage.inputTokens,
      outputTokens: usage.outputTokens,
      estimated,
      error,
    }),
  )
})

// One line for each call: what its caller saw.
subscribe('sluice:call', (message) => {
  const { callId, status, attempts, durationMs, waitedMs } = message as CallRecord
  console.log(JSON.stringify({ callId, status, attempts, durationMs, waitedMs }))
})
