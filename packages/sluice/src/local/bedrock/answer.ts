/** Generates an answer and sends it, whole or as a stream. */
import type { Clock } from './clock.ts'
import type { RequestEntry } from './counters.ts'
import type { Dialect } from './dialect.ts'
import type { Exchange } from './exchange.ts'
import { type Ending, withinLimits } from './generate.ts'
import type { GuardrailRun } from './guardrail.ts'
import type { Pace } from './latency.ts'
import type { AnswerEnd, LocalModel, ModelRequest, Piece, PromptTokens, Served } from './request.ts'
import type { FaultInAnswer } from './strike.ts'

/** All that an answer needs. */
export interface Job {
  exchange: Exchange
  entry: RequestEntry
  clock: Clock
  model: LocalModel
  pace: Pace
  dialect: Dialect
  request: ModelRequest
  prompt: PromptTokens
  /** When the request had been read. */
  readAt: number
  /** Sends the response headers. */
  head(headers: Record<string, string>): void
  fault: FaultInAnswer | undefined
  guardrail: GuardrailRun | undefined
  served: Served
}

/** Whole answers are generated in strides of this length, so that one given up early still counts right. */
const WHOLE_ANSWER_GRAIN_MS = 50

/** Answers in one body. Tells the outcome. */
export async function answerWhole(job: Job): Promise<string> {
  const pieces: Piece[] = []
  const ending: Ending = { stopReason: 'end_turn' }
  for await (const batch of generation(job, ending, WHOLE_ANSWER_GRAIN_MS)) {
    for (const piece of batch) pieces.push(piece)
  }
  const { json, headers } = job.dialect.whole(pieces, endOf(job, ending))
  return sendWhole(job, json, headers)
}

/** Sends a body of JSON. Tells the outcome. */
export async function sendWhole(
  { exchange, entry, fault, head }: Pick<Job, 'exchange' | 'entry' | 'fault' | 'head'>,
  json: string,
  headers: Record<string, string> = {},
): Promise<string> {
  const type = { 'content-type': 'application/json' }
  let bytes: Buffer | undefined = Buffer.from(json)
  if (fault) {
    bytes = await fault.act(bytes, { whole: true, begin: () => head(type) })
    if (!bytes) return fault.name
  }
  head({ ...type, 'content-length': String(bytes.length), ...headers })
  entry.sent(bytes.length)
  exchange.end(bytes)
  return 'ok'
}

/** Answers event by event. Tells the outcome. */
export async function answerStream(job: Job): Promise<string> {
  const { exchange, entry, dialect, fault } = job
  const answer = dialect.stream(job.prompt, job.request.modelId)
  const ending: Ending = { stopReason: 'end_turn' }
  const frames = answer.start()
  let events = 0
  let begun = false
  const begin = () => {
    if (!begun) job.head({ 'content-type': 'application/vnd.amazon.eventstream', ...dialect.streamHeaders })
    begun = true
  }
  const taken = (count: number) => {
    const bytes = Buffer.concat(frames.splice(0, count))
    begin()
    entry.sent(bytes.length)
    return bytes
  }
  /** Sends what is there, and does the fault when its turn has come; tells whether the answer goes on. */
  const flush = async (): Promise<boolean> => {
    const before = fault ? fault.afterEvents - events : -1
    events += frames.length
    if (fault && before >= 0 && before < frames.length) {
      if (before > 0) await exchange.write(taken(before))
      begin()
      const next = await fault.act(frames[0]!, { whole: false, begin })
      if (!next) return false
      frames[0] = next
    }
    await exchange.write(taken(frames.length))
    exchange.signal.throwIfAborted()
    return true
  }

  for await (const batch of generation(job, ending, 0)) {
    for (const piece of batch) frames.push(...answer.piece(piece))
    if (!(await flush())) return fault!.name
  }
  frames.push(...answer.end(endOf(job, ending)))
  // Where nothing can go wrong any more, the last events and the end of the stream travel together.
  if (!fault) exchange.end(taken(frames.length))
  else if (await flush()) exchange.end()
  else return fault.name
  return 'ok'
}

/** The model's answer at the model's pace, within the limits of the request, on the account. */
async function* generation(job: Job, ending: Ending, grainMs: number): AsyncIterable<readonly Piece[]> {
  const { model, request, entry, clock, guardrail } = job
  const { signal } = job.exchange
  const limited = withinLimits(model(request, signal), request, ending)
  const answer = guardrail ? guardrail.watch(limited, ending) : limited
  for await (const batch of job.pace(answer, signal, grainMs)) {
    signal.throwIfAborted()
    entry.record.ttftMs ??= clock.now() - job.readAt
    // What a guardrail says instead of the model was produced by none.
    if (!guardrail?.blocksInput) {
      entry.produced(batch.reduce((count, piece) => count + (typeof piece === 'string' ? 1 : 0), 0))
    }
    yield batch
  }
}

function endOf({ prompt, entry, clock, readAt, guardrail, served }: Job, ending: Ending): AnswerEnd {
  const latencyMs = clock.now() - readAt
  const { inputTokens, cacheReadTokens, cacheWriteTokens, cacheWrites } = prompt
  return {
    ...ending,
    inputTokens,
    cacheReadTokens,
    cacheWriteTokens,
    cacheWrites,
    outputTokens: entry.record.outputTokens,
    latencyMs,
    firstTokenMs: entry.record.ttftMs ?? latencyMs,
    served,
    trace: guardrail?.trace(),
  }
}
