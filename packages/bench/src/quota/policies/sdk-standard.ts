import { converse } from '../converse.ts'
import type { OpenSandbox } from '../policy.ts'
import { standardClient } from './sdk-client.ts'

/** The SDK as it is: it knows of the quota when it is refused. */
export const openSandbox: OpenSandbox = (surroundings) => {
  const bedrock = standardClient(surroundings)
  return async (work) => {
    await converse(bedrock, work, surroundings.settings)
  }
}
