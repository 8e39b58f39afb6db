/** The endpoint's own account of what it was asked and what it produced; checks trust it before all others. */
import type { ServiceOperation } from './request.ts'

/** What was counted for one model, or in total. */
export interface Tally {
  /** Requests that arrived, whatever became of them. */
  requests: number
  /** Requests by operation. */
  operations: Record<string, number>
  /** Requests that ended, by outcome: `ok`, `throttled`, `aborted`, the name of an error or of a fault. */
  outcomes: Record<string, number>
  /** Tokens of the prompts that were admitted, without those read from or written to the prompt cache. */
  inputTokens: number
  cacheReadTokens: number
  cacheWriteTokens: number
  /** Tokens produced, also of answers that were aborted or cut, up to where generation stopped. */
  outputTokens: number
  /** What the quota rule charges for all that: input, cache writes and output by its weight. */
  settledTokens: number
  /** Generations open now: admitted, not ended. */
  open: number
  /** The most that were open at once. */
  maxOpen: number
}

/** A snapshot of the whole account. */
export interface Counters extends Tally {
  /** The same by model id, as it was asked for. */
  models: Record<string, Tally>
  /** Connections accepted by protocol, and how many are open now. */
  connections: { http1: number; http2: number; open: number }
  /** Bytes of the request bodies read and of the answers written, without HTTP framing. */
  bytesIn: number
  bytesOut: number
}

/** One request as the endpoint saw it. It never holds prompts or answers. */
export interface RequestRecord {
  id: string
  /** Milliseconds since the epoch. */
  at: number
  modelId: string
  operation: ServiceOperation | 'unknown'
  /** `http1` or `http2`. */
  transport: 'http1' | 'http2'
  /** HTTP status sent, 0 if none was. */
  status: number
  /** `ok`, `throttled`, `aborted`, the name of an error or of a fault. */
  outcome: string
  /** The fault rule that picked it, or the quota that refused it (`quota:tokens`, `quota:requests`, `quota:daily`). */
  fault?: string
  inputTokens: number
  cacheReadTokens: number
  cacheWriteTokens: number
  outputTokens: number
  /** The client went away before the answer was complete. */
  aborted: boolean
  /** Which attempt of the SDK this was, from its `amz-sdk-request` header. */
  sdkAttempt?: number
  /** `requestMetadata` of the request. */
  metadata?: Record<string, string>
  /** From the request's last byte to the first token; absent if there was none. */
  ttftMs?: number
  totalMs: number
}

/** What one request reports while it runs. */
export interface RequestEntry {
  readonly record: RequestRecord
  /** Admitted: a generation is open from here to the end. */
  open(): void
  /** `count` more tokens were produced. */
  produced(count: number): void
  /** So many tokens were charged to the quota. */
  settled(tokens: number): void
  sent(bytes: number): void
  received(bytes: number): void
  /** The request is over; only the first call counts. */
  end(outcome: string): void
}

/** The account and those who wait for it. */
export interface Account {
  request(record: RequestRecord): RequestEntry
  connection(transport: 'http1' | 'http2', open: boolean): void
  counters(): Counters
  /** The last requests that ended, oldest first. */
  requests(): RequestRecord[]
  /** Starts again from zero; what is open stays open. */
  reset(): void
  /** Resolves when no generation is open. */
  idle(): Promise<void>
  /** Resolves when the predicate holds, which is asked after every change. */
  until(predicate: (counters: Counters) => boolean, signal?: AbortSignal): Promise<void>
}

/** Opens an account that keeps the last `keep` requests. */
export function openAccount({ keep = 10_000 }: { keep?: number } = {}): Account {
  let total = newTally()
  let models = new Map<string, Tally>()
  let connections = { http1: 0, http2: 0, open: 0 }
  let bytes = { in: 0, out: 0 }
  let ring: RequestRecord[] = []
  let next = 0
  let epoch = 0
  const waiters = new Set<() => void>()

  const changed = () => {
    for (const check of waiters) check()
  }
  const tallyOf = (modelId: string) => {
    const known = models.get(modelId)
    if (known) return known
    const tally = newTally()
    models.set(modelId, tally)
    return tally
  }
  const counters = (): Counters => ({
    ...copyTally(total),
    models: Object.fromEntries([...models].map(([modelId, tally]) => [modelId, copyTally(tally)])),
    connections: { ...connections },
    bytesIn: bytes.in,
    bytesOut: bytes.out,
  })
  const keepRecord = (record: RequestRecord) => {
    if (keep === 0) return
    ring[next] = record
    next = (next + 1) % keep
  }

  function request(record: RequestRecord): RequestEntry {
    const born = epoch
    let isOpen = false
    let ended = false
    // A request that outlives a reset moves only the gauge of what is open.
    const tallies = () => (born === epoch ? [total, tallyOf(record.modelId)] : [])
    for (const tally of tallies()) {
      tally.requests++
      bump(tally.operations, record.operation)
    }
    changed()
    return {
      record,
      open() {
        isOpen = true
        for (const tally of [total, tallyOf(record.modelId)]) {
          tally.open++
          tally.maxOpen = Math.max(tally.maxOpen, tally.open)
        }
        for (const tally of tallies()) {
          tally.inputTokens += record.inputTokens
          tally.cacheReadTokens += record.cacheReadTokens
          tally.cacheWriteTokens += record.cacheWriteTokens
        }
        changed()
      },
      produced(count) {
        record.outputTokens += count
        for (const tally of tallies()) tally.outputTokens += count
        changed()
      },
      settled(count) {
        for (const tally of tallies()) tally.settledTokens += count
      },
      sent: (count) => {
        if (born === epoch) bytes.out += count
      },
      received: (count) => {
        if (born === epoch) bytes.in += count
      },
      end(outcome) {
        if (ended) return
        ended = true
        record.outcome = outcome
        if (isOpen) for (const tally of [total, tallyOf(record.modelId)]) tally.open--
        for (const tally of tallies()) bump(tally.outcomes, outcome)
        if (born === epoch) keepRecord(record)
        changed()
      },
    }
  }

  function until(predicate: (counters: Counters) => boolean, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = () => {
        waiters.delete(check)
        signal?.removeEventListener('abort', aborted)
      }
      const aborted = () => {
        stop()
        reject(signal?.reason)
      }
      const check = () => {
        try {
          if (!predicate(counters())) return
          stop()
          resolve()
        } catch (error) {
          stop()
          reject(error)
        }
      }
      if (signal?.aborted) return reject(signal.reason)
      signal?.addEventListener('abort', aborted)
      waiters.add(check)
      check()
    })
  }

  return {
    request,
    counters,
    until,
    idle: () => until(({ open }) => open === 0),
    requests: () => (ring.length < keep ? [...ring] : [...ring.slice(next), ...ring.slice(0, next)]),
    connection(transport, open) {
      if (open) connections[transport]++
      connections.open += open ? 1 : -1
      changed()
    },
    reset() {
      epoch++
      const stillOpen = [...models].filter(([, tally]) => tally.open > 0)
      models = new Map(
        stillOpen.map(([modelId, { open }]) => [modelId, { ...newTally(), open, maxOpen: open }]),
      )
      total = { ...newTally(), open: total.open, maxOpen: total.open }
      connections = { http1: 0, http2: 0, open: connections.open }
      bytes = { in: 0, out: 0 }
      ring = []
      next = 0
      changed()
    },
  }
}

const newTally = (): Tally => ({
  requests: 0,
  operations: {},
  outcomes: {},
  inputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 0,
  settledTokens: 0,
  open: 0,
  maxOpen: 0,
})

const copyTally = (tally: Tally): Tally => ({
  ...tally,
  operations: { ...tally.operations },
  outcomes: { ...tally.outcomes },
})

const bump = (counts: Record<string, number>, key: string) => {
  counts[key] = (counts[key] ?? 0) + 1
}
