import { handler as example } from '@sluice/example-chat-stream/handler.ts'
import { timeoutGuard } from '@sluice/timeout-guard'
import { metered } from './metered.ts'

/** A model that says nothing for so long is asked again. */
export const handler = metered(example).use(timeoutGuard({ firstContentMs: 3_000, idleMs: 5_000 }))
