import type { ArmSettings } from '../../overhead/arm.ts'
import type { StreamingHandler } from '../arm.ts'
import { handWritten } from './hand-written.ts'

/** The same, told to keep its HTTP/2 session, as Sluice does. */
export function createHandler(settings: ArmSettings): StreamingHandler {
  return handWritten(settings, { requestHandler: { disableConcurrentStreams: false } })
}
