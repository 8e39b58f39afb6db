/** Records as lines of Powertools' Logger. */

import type { CostRecord } from '../cost-record.ts'
import type { CostSink } from './cost-sink.ts'

/** What is needed of Powertools' `Logger`. */
export interface PowertoolsLogger {
  info(message: string, extra: { readonly sluice: CostRecord }): void
}

export function toLogger(logger: PowertoolsLogger): CostSink {
  return function costLogger(record) {
    logger.info(messages[record.kind], { sluice: record })
  }
}

const messages = {
  attempt: 'model attempt',
  call: 'model call',
  invocation: 'model cost of the invocation',
} as const
