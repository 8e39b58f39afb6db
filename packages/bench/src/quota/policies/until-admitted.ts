/** What most limiters leave to their users: to ask again until there is room, or no time left. */

import { sleep } from '@sluice/core'
import { ShedError, type Surroundings, type Work } from '../policy.ts'

/** `ask` resolves to undefined when the call is let in, else to the milliseconds after which to ask again. */
export async function untilAdmitted(
  ask: () => Promise<number | undefined>,
  { clock }: Pick<Surroundings, 'clock'>,
  { deadlineMs, signal }: Pick<Work, 'deadlineMs' | 'signal'>,
): Promise<void> {
  for (;;) {
    const waitMs = await ask()
    if (waitMs === undefined) return
    if (clock.now() + waitMs >= deadlineMs) throw new ShedError('No room within the deadline.')
    await sleep(clock, waitMs, signal)
  }
}
