import type { Arm, ArmSettings } from '../arm.ts'
import { sdkArm } from './sdk.ts'

/**
 * The bare AWS SDK, told to keep its HTTP/2 session: the arm that shares the transport with Sluice, so that
 * what is left between the two is Sluice itself. The options go to the SDK's own `NodeHttp2Handler`.
 */
export function createArm(settings: ArmSettings): Arm {
  return sdkArm(settings, { requestHandler: { disableConcurrentStreams: false } })
}
