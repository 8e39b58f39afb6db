import type { ArmSettings } from '../../overhead/arm.ts'
import type { StreamingHandler } from '../arm.ts'
import { withSluice } from './sluice.ts'

/** Each token by itself, as the hand-written ones: what is left is not the saving of writes. */
export function createHandler(settings: ArmSettings): StreamingHandler {
  return withSluice(settings, { coalesceMs: 0 })
}
