import { converse } from '../converse.ts'
import type { OpenSandbox } from '../policy.ts'
import { standardClient } from './sdk-client.ts'
import { untilAdmitted } from './until-admitted.ts'
import { windowOf } from './window.ts'

/** As in gateways: a counter for each minute, which is charged with the tokens of an answer when it is there. */
export const openSandbox: OpenSandbox = (surroundings) => {
  const { counters, settings } = surroundings
  const bedrock = standardClient(surroundings)
  return async (work) => {
    async function ask(): Promise<number | undefined> {
      const { key, leftMs } = windowOf(surroundings)
      return (await counters.add(key, 0, settings.tokensPerMinute - 1)) ? undefined : leftMs()
    }
    await untilAdmitted(ask, surroundings, work)
    const { inputTokens, outputTokens } = await converse(bedrock, work, settings)
    await counters.add(windowOf(surroundings).key, inputTokens + outputTokens)
  }
}
