/** Shorter answers when time is short. */

import type { CallPolicy } from '@sluice/core'
import type { Invocation } from './invocation.ts'
import { tokensWithin } from './service-time.ts'

/** Inside of the fallback, so that it is the speed of the model that is asked; outside of the quota, which reserves by it. */
export function fitPolicy(invocation: Invocation, floorTokens: number): CallPolicy {
  return {
    name: 'timeoutGuard.fit',
    stage: 'retry',
    wrap: (next) =>
      function timeoutGuardFit(request, context) {
        const { maxTokens, transport } = request
        const leftMs = invocation.leftMs(context.scope)
        const tokens = tokensWithin(request, leftMs)
        // Where none is declared, the model's own maximum is not known, and asking for more than that is an error.
        if (tokens === undefined || maxTokens === undefined || !transport.withMaxTokens) {
          return next(request, context)
        }
        const fitted = Math.max(floorTokens, tokens)
        if (fitted >= maxTokens) return next(request, context)
        let fittedRequest = request
        const event = { action: 'fitted', leftMs, askedTokens: maxTokens, fittedTokens: fitted } as const
        invocation.act(context.call, event, () => {
          fittedRequest = transport.withMaxTokens?.(request, fitted) ?? request
        })
        return next(fittedRequest, context)
      },
  }
}
