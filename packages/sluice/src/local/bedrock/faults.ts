/** Faults by rule: what they are and which requests they strike. */
import type { ResetCode } from './exchange.ts'
import type { ServiceOperation } from './request.ts'

/** What goes wrong. `afterEvents` counts the events of a stream already sent; it has no meaning for a whole answer. */
export type Fault =
  /** 429 ThrottlingException; `daily` is the kind that no waiting helps. */
  | { fault: 'throttle'; retryAfterMs?: number; daily?: boolean; message?: string }
  /** Any exception by name and status, modelled or not. */
  | { fault: 'error'; name: string; status: number; message?: string }
  /** So much later than the latency model would answer, before the response headers. */
  | { fault: 'slowStart'; ms: number }
  /** Silence for `ms`, or until the client gives up. At 0 events the response headers have been sent. */
  | { fault: 'stall'; afterEvents?: number; ms?: number }
  /** The connection is reset, or with `code` only the HTTP/2 stream. */
  | { fault: 'cut'; afterEvents?: number; code?: ResetCode }
  /** The answer ends as if it were complete. */
  | { fault: 'truncate'; afterEvents?: number }
  /** Half a frame, then a reset of the connection (or of the stream, with `code`; `clean` just ends). */
  | { fault: 'midFrame'; afterEvents?: number; code?: ResetCode; clean?: boolean }
  /** A frame with a wrong checksum, or bytes that are no frame. */
  | { fault: 'garbage'; afterEvents?: number; what?: 'checksum' | 'bytes' }
  /** An event that no SDK knows, between two others. */
  | { fault: 'unknownEvent'; afterEvents?: number }
  /** An exception inside the stream; `unmodelled` spells it as an error that the service does not list. */
  | {
      fault: 'streamException'
      afterEvents?: number
      name?: string
      message?: string
      unmodelled?: boolean
      /** SageMaker tells apart by it why a stream broke. */
      errorCode?: string
    }
  /** HTTP/2 GOAWAY: this request is refused, or `processed` on a connection that takes no more after it. */
  | { fault: 'goaway'; processed?: boolean }
  /** HTTP/2 RST_STREAM with REFUSED_STREAM; over HTTP/1.1 the connection is dropped before any answer. */
  | { fault: 'refuse' }
  /** Never an answer, on the whole connection. */
  | { fault: 'blackhole' }
  /** Answers are held until `count` requests wait here at once, then all go on. */
  | { fault: 'barrier'; count: number }

/** Which requests a fault strikes; everything that is given must hold. */
export interface FaultMatch {
  /** A model id, or the name of an endpoint or a job; `*` at its end stands for any rest. */
  model?: string
  operation?: ServiceOperation | readonly ServiceOperation[]
  /** Spare the first so many matching requests. */
  skip?: number
  /** Only so many matching requests. */
  first?: number
  /** Only each so-manieth matching request. */
  every?: number
  /** Only this share of them, by the endpoint's seed. */
  probability?: number
  /** Anything else; not over HTTP. */
  when?: (subject: FaultSubject) => boolean
}

/** What a rule may look at. */
export interface FaultSubject {
  modelId: string
  operation: ServiceOperation
  transport: 'http1' | 'http2'
  inputTokens: number
  sdkAttempt?: number
  metadata?: Record<string, string>
}

/** A fault and the requests it strikes. Of several rules the first that matches decides. */
export type FaultRule = FaultMatch & Fault

/** The rules in force. */
export interface Faults {
  /** The fault that strikes this request, if one does. */
  pick(subject: FaultSubject): PickedFault | undefined
  /** Replaces all rules. @throws TypeError naming the rule that cannot be used */
  set(rules: readonly FaultRule[]): void
  /** Starts the counts of all rules again. */
  reset(): void
}

/** A fault that was picked, and those that wait at its barrier. */
export interface PickedFault {
  fault: Fault
  waiting: Set<() => void>
}

const STREAM_ONLY = new Set<Fault['fault']>(['midFrame', 'unknownEvent', 'streamException'])
const KINDS = new Set<Fault['fault']>([
  'throttle',
  'error',
  'slowStart',
  'stall',
  'cut',
  'truncate',
  'midFrame',
  'garbage',
  'unknownEvent',
  'streamException',
  'goaway',
  'refuse',
  'blackhole',
  'barrier',
])

/** Puts rules in force; `random` decides those with a probability. */
export function faultRules(rules: readonly FaultRule[], random: () => number): Faults {
  let inForce: { rule: FaultRule; seen: number; waiting: Set<() => void> }[] = []
  const faults: Faults = {
    set(next) {
      next.forEach(checkRule)
      // Nobody would come to a barrier that is no longer there.
      for (const { waiting } of inForce) for (const go of [...waiting]) go()
      inForce = next.map((rule) => ({ rule, seen: 0, waiting: new Set() }))
    },
    reset() {
      for (const entry of inForce) entry.seen = 0
    },
    pick(subject) {
      for (const entry of inForce) {
        const { rule } = entry
        if (!concerns(rule, subject)) continue
        const turn = ++entry.seen - (rule.skip ?? 0)
        if (turn < 1 || turn > (rule.first ?? turn) || turn % (rule.every ?? 1) !== 0) continue
        if (rule.probability !== undefined && random() >= rule.probability) continue
        return { fault: rule, waiting: entry.waiting }
      }
      return undefined
    },
  }
  faults.set(rules)
  return faults
}

function concerns(rule: FaultRule, subject: FaultSubject): boolean {
  const { model, operation, when } = rule
  if (STREAM_ONLY.has(rule.fault) && !subject.operation.endsWith('stream')) return false
  if (model !== undefined && !matchesModel(model, subject.modelId)) return false
  if (operation !== undefined && ![operation].flat().includes(subject.operation)) return false
  return when?.(subject) ?? true
}

/** Whether a pattern of a rule names a model. */
export function matchesModel(pattern: string, modelId: string): boolean {
  return pattern.endsWith('*') ? modelId.startsWith(pattern.slice(0, -1)) : modelId === pattern
}

function checkRule(rule: FaultRule, index: number): void {
  const refuse = (reason: string) => {
    throw new TypeError(`faults[${index}]: ${reason}`)
  }
  if (!KINDS.has(rule?.fault)) refuse(`there is no fault ${JSON.stringify(rule?.fault)}`)
  for (const option of ['skip', 'first', 'every', 'afterEvents', 'count', 'ms', 'status'] as const) {
    const value = (rule as Partial<Record<typeof option, unknown>>)[option]
    if (value === undefined) continue
    if (!Number.isFinite(value) || (value as number) < (option === 'every' ? 1 : 0)) {
      refuse(`${option} is ${JSON.stringify(value)}`)
    }
  }
  if (rule.fault === 'error' && !(rule.name && rule.status)) refuse('an error needs name and status')
  if (rule.fault === 'barrier' && !(rule.count >= 1)) refuse('a barrier needs a count')
  if (rule.fault === 'slowStart' && rule.ms === undefined) refuse('a slow start needs ms')
}
