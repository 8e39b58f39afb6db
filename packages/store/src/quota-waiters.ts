/** Who waits in this process, and is told when it is let in. */

import type { QuotaChange, QuotaUpdate } from './quota-store.ts'

export interface QuotaWaiters {
  wake(id: string): void
  /** Makes an update after which those who wait can be woken, also before its answer is there. */
  during(change: QuotaChange, update: () => Promise<QuotaUpdate>): Promise<QuotaUpdate>
}

export function quotaWaiters(): QuotaWaiters {
  const waiters = new Map<string, PromiseWithResolvers<void>>()
  return {
    wake(id) {
      waiters.get(id)?.resolve()
    },
    async during({ takes = [], settlements = [] }, update) {
      for (const { id } of settlements) waiters.delete(id)
      for (const { id } of takes) if (!waiters.has(id)) waiters.set(id, Promise.withResolvers())
      // Nobody is left behind who never asks again: of one whose answer was lost nothing is known here.
      let waiting = new Set<string>()
      try {
        const { answers, ...rest } = await update()
        waiting = new Set(answers.flatMap(({ id, state }) => (state === 'waiting' ? [id] : [])))
        const woken = answers.map((answer) =>
          waiting.has(answer.id) ? { ...answer, admitted: waiters.get(answer.id)?.promise } : answer,
        )
        return { answers: woken as QuotaUpdate['answers'], ...rest }
      } finally {
        for (const { id } of takes) if (!waiting.has(id)) waiters.delete(id)
      }
    },
  }
}
