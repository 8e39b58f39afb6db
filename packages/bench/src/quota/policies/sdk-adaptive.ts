import { converse } from '../converse.ts'
import type { OpenSandbox } from '../policy.ts'
import { adaptiveClient } from './sdk-client.ts'

/** The SDK's `retryMode: 'adaptive'`: each client slows itself down after refusals. */
export const openSandbox: OpenSandbox = (surroundings) => {
  const bedrock = adaptiveClient(surroundings)
  return async (work) => {
    await converse(bedrock, work, surroundings.settings)
  }
}
