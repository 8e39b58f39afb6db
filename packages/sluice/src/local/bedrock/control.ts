/** The endpoint's own account and its faults over HTTP, for other processes. */
import type { LocalBedrock } from './endpoint.ts'
import type { Exchange } from './exchange.ts'
import type { FaultRule } from './faults.ts'

/** Answers `GET counters`, `GET requests`, `POST faults` (JSON rules) and `POST reset` below `/_sluice/`. */
export async function control(
  local: Pick<LocalBedrock, 'counters' | 'requests' | 'setFaults' | 'reset'>,
  exchange: Exchange,
): Promise<void> {
  const send = (status: number, value: unknown) => {
    exchange.head(status, { 'content-type': 'application/json' })
    exchange.end(Buffer.from(JSON.stringify(value)))
  }
  try {
    switch (`${exchange.method} ${exchange.path}`) {
      case 'GET /_sluice/counters':
        return send(200, local.counters())
      case 'GET /_sluice/requests':
        return send(200, local.requests())
      case 'POST /_sluice/reset':
        local.reset()
        return send(200, {})
      case 'POST /_sluice/faults':
        local.setFaults(JSON.parse(String(await exchange.body(1_000_000))) as FaultRule[])
        return send(200, {})
      default:
        return send(404, { message: 'There is counters, requests, faults and reset.' })
    }
  } catch (error) {
    send(400, { message: String(error) })
  }
}
