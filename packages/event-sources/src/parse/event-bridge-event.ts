/** Events of EventBridge. */

import { InvalidEventError } from '@sluice/core'
import { fieldsOf, textOf } from './values.ts'

export interface BridgeEvent<Detail = unknown> {
  readonly id: string
  readonly source: string
  readonly detailType: string
  readonly detail: Detail
  readonly time: string | undefined
  readonly account: string | undefined
  readonly region: string | undefined
  readonly resources: readonly string[]
}

/** @throws InvalidEventError when it is none of EventBridge */
export function bridgeEvent(event: unknown): BridgeEvent {
  const { id, source, detail, time, account, region, resources, 'detail-type': type } = fieldsOf(event)
  const [ownId, ownSource, detailType] = [textOf(id), textOf(source), textOf(type)]
  if (!ownId || !ownSource || !detailType || detail === undefined) {
    throw new InvalidEventError(
      'The event is none of EventBridge: it wants id, source, detail-type and detail.',
    )
  }
  return {
    id: ownId,
    source: ownSource,
    detailType,
    detail,
    time: textOf(time),
    account: textOf(account),
    region: textOf(region),
    resources: Array.isArray(resources) ? resources.filter((arn) => typeof arn === 'string') : [],
  }
}

/** Whether a value looks like an event of EventBridge, for sources that take several kinds. */
export function isBridgeEvent(event: unknown): boolean {
  const { detail, 'detail-type': detailType } = fieldsOf(event)
  return typeof detailType === 'string' && detail !== undefined
}
