/** What the invocation itself takes of Lambda, and how much of it with an open model call, that is: waiting. */

import type { Clock } from '@sluice/core'
import type { LambdaUse } from './cost-record.ts'

export interface LambdaMeter {
  callStarted(): void
  callEnded(): void
  soFar(): LambdaUse
}

export function lambdaUse(
  clock: Clock,
  memoryMb: number = Number(process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE),
): LambdaMeter {
  const startedAtMs = clock.now()
  let open = 0
  let openSinceMs = 0
  let waitedMs = 0

  return {
    callStarted() {
      if (open++ === 0) openSinceMs = clock.now()
    },
    callEnded() {
      if (--open === 0) waitedMs += clock.now() - openSinceMs
    },
    soFar() {
      const nowMs = clock.now()
      const durationMs = nowMs - startedAtMs
      const waitingMs = waitedMs + (open > 0 ? nowMs - openSinceMs : 0)
      return { usd: undefined, waitingUsd: undefined, durationMs, waitingMs }
    },
  }
}
