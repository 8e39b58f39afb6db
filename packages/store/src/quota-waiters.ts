/** Who waits in this process, and is told when it is let in. */

import type { QuotaAnswer, QuotaChange, QuotaUpdate } from './quota-store.ts'

export interface QuotaWaiters {
  wake(id: string): void
  /** Makes an update after which those who wait can be woken, also before its answer is there. */
  during(change: QuotaChange, update: () => Promise<QuotaUpdate>): Promise<QuotaUpdate>
}

export function quotaWaiters(): QuotaWaiters {
  const waiters = new Map<string, PromiseWithResolvers<void>>()

  /** Only who waits is remembered, so that nobody is left behind who never asks again. */
  function follow(answer: QuotaAnswer): QuotaAnswer {
    const admitted = waiters.get(answer.id)?.promise
    if (answer.state === 'waiting' && admitted) return { ...answer, admitted }
    waiters.delete(answer.id)
    return answer
  }

  return {
    wake(id) {
      waiters.get(id)?.resolve()
    },
    async during({ takes = [], settlements = [] }, update) {
      for (const { id } of settlements) waiters.delete(id)
      for (const { id } of takes) if (!waiters.has(id)) waiters.set(id, Promise.withResolvers())
      try {
        const { answers, view, operations } = await update()
        return { answers: answers.map(follow), view, operations }
      } catch (error) {
        // Of one whose answer was lost nothing is known here.
        for (const { id } of takes) waiters.delete(id)
        throw error
      }
    },
  }
}
