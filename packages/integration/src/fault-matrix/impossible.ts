/** Cells that cannot be, and why. */

import type { Cell } from './cell.ts'

export function impossible({ fault, phase, mode }: Cell): string | undefined {
  if (fault === 'reader' && mode !== 'streamed')
    return 'its response is no stream: it is handed over in one piece'
  if (fault === 'too long' && mode === 'batch') return 'its response has no answers, only the ids of messages'
  if (fault === 'too long' && phase === 'before') return 'nothing is long before its first byte'
  if (fault === 'too long' && phase === 'draining')
    return 'nothing is added after the last word but the last event'
  if (fault === 'store' && phase === 'streaming' && mode !== 'streamed')
    return 'no store is asked while the answer is read: there is nobody who could stop it'
  return undefined
}
