import { type AttemptPolicy, type MiddyHooks, policyMiddleware, SluiceError } from '@sluice/core'

export interface FirstContentLimitOptions {
  /** How long a streamed answer may take to its first content, in milliseconds. */
  readonly withinMs: number
}

/** Gives up an attempt whose answer does not begin in time. The retry policy then tries again. */
export function firstContentLimit({ withinMs }: FirstContentLimitOptions): AttemptPolicy & MiddyHooks {
  if (!(withinMs > 0)) {
    throw new TypeError(`firstContentLimit: withinMs is ${withinMs}. Give a number of milliseconds above 0.`)
  }
  return policyMiddleware<AttemptPolicy>({
    name: 'firstContentLimit',
    // Inside of quota: waiting for quota must not count.
    stage: 'attempt',
    wrap: (next) =>
      function firstContentLimit(request, context) {
        const { attempt, scope } = context
        if (!request.streaming) return next(request, context)
        const cancel = scope.clock.after(withinMs, () =>
          attempt.abort(
            new SluiceError(`${request.modelId} sent no content within ${withinMs} ms.`, {
              code: 'deadline_exceeded',
              retryable: true,
            }),
          ),
        )
        attempt.onEvent((_event, seen) => {
          if (seen.contentEvents > 0) cancel()
        })
        attempt.onEnd(() => cancel())
        return next(request, context)
      },
  })
}
