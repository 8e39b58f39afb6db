/** A service of the local cloud whose operations are JSON in, JSON out: account, faults and errors are the same for all. */
import { sendWhole } from './bedrock/answer.ts'
import { type Clock, seededRandom, systemClock } from './bedrock/clock.ts'
import { type Account, type Counters, openAccount } from './bedrock/counters.ts'
import { openEntry } from './bedrock/entry.ts'
import type { Exchange } from './bedrock/exchange.ts'
import { fail } from './bedrock/failure.ts'
import { type FaultRule, faultRules } from './bedrock/faults.ts'
import type { JsonObject, ServiceOperation } from './bedrock/request.ts'
import { ServiceError } from './bedrock/service-error.ts'
import { strike } from './bedrock/strike.ts'

/** What all of these services take. */
export interface JsonServiceOptions {
  /** What goes wrong with requests. @default nothing */
  readonly faults?: readonly FaultRule[]
  /** Seed of faults with a probability. @default 1 */
  readonly seed?: number
  /** @default the system's */
  readonly clock?: Clock
}

/** What all of these services have. */
export interface JsonServiceControl {
  /** What it was asked, up to now. */
  counters(): Counters
  /** Replaces the fault rules. @throws TypeError for a rule that cannot be used */
  setFaults(rules: readonly FaultRule[]): void
  /** Resolves when the counters satisfy the predicate. */
  until: Account['until']
}

/** A request, and where it goes. */
export interface Call {
  readonly operation: ServiceOperation
  /** Of the job or the task that it is about; what `model` of a fault rule is compared with. */
  readonly subject: string
  /** @throws ServiceError what the service refuses */
  answer(): unknown
}

/** Answers requests; `read` finds what is asked for, or nothing. */
export function jsonService(
  { faults: rules = [], seed = 1, clock = systemClock }: JsonServiceOptions,
  read: (exchange: Exchange, body: JsonObject) => Call | undefined,
): JsonServiceControl & { serve(exchange: Exchange): Promise<void>; readonly account: Account } {
  const account = openAccount()
  const faults = faultRules(rules, seededRandom(seed))

  async function serve(exchange: Exchange): Promise<void> {
    let body: JsonObject | undefined
    let call: Call | undefined
    let unreadable: unknown
    try {
      const text = String(await exchange.body(bodyLimitBytes))
      body = (text === '' ? {} : JSON.parse(text)) as JsonObject
      call = read(exchange, body)
    } catch (error) {
      unreadable = error
    }
    const at = clock.now()
    const entry = openEntry(account, exchange, {
      at,
      modelId: call?.subject ?? '',
      operation: call?.operation ?? 'unknown',
    })
    const { record } = entry
    const head = (headers: Record<string, string>) => {
      record.status = 200
      exchange.head(200, { 'x-amzn-requestid': record.id, ...headers })
    }
    let outcome: string
    try {
      if (unreadable) throw new ServiceError('SerializationException', 400, 'The body is not JSON.')
      if (!call) throw new ServiceError('UnknownOperationException', 404, 'There is no such operation.')
      const picked = faults.pick({ ...record, operation: call.operation })
      if (picked) record.fault = picked.fault.fault
      const fault = picked && (await strike(picked, exchange, clock))
      outcome =
        fault === 'over'
          ? String(record.fault)
          : await sendWhole({ exchange, entry, head, fault }, JSON.stringify(await call.answer()))
    } catch (error) {
      outcome = fail(exchange, entry, error, wording)
    }
    record.totalMs = clock.now() - at
    entry.end(outcome)
  }

  return { serve, account, counters: account.counters, until: account.until, setFaults: faults.set }
}

const bodyLimitBytes = 5_000_000

const wording = {
  internal: 'InternalFailure',
  inStream: 'internalFailure',
  body: ({ name, message }: ServiceError) => ({ __type: name, message, Message: message }),
}
