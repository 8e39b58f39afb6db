import { converse } from '../converse.ts'
import type { OpenSandbox } from '../policy.ts'
import { standardClient } from './sdk-client.ts'
import { untilAdmitted } from './until-admitted.ts'
import { windowOf } from './window.ts'

/** As in the better gateways: a counter for each minute, which holds the most of a call until its answer is there. */
export const openSandbox: OpenSandbox = (surroundings) => {
  const { counters, settings } = surroundings
  const bedrock = standardClient(surroundings)
  return async (work) => {
    const held = work.inputTokens + settings.maxTokens
    let heldIn = ''
    async function ask(): Promise<number | undefined> {
      const { key, leftMs } = windowOf(surroundings)
      heldIn = key
      return (await counters.add(key, held, settings.tokensPerMinute)) ? undefined : leftMs()
    }
    await untilAdmitted(ask, surroundings, work)
    let used = 0
    try {
      const { inputTokens, outputTokens } = await converse(bedrock, work, settings)
      used = inputTokens + outputTokens
    } finally {
      await counters.add(heldIn, used - held)
    }
  }
}
