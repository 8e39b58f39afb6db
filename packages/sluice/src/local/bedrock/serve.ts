/** The path of a request: read, admit, perhaps break, answer, account. */
import { answerStream, answerWhole, sendWhole } from './answer.ts'
import type { Clock } from './clock.ts'
import type { Account, RequestEntry } from './counters.ts'
import { openEntry } from './entry.ts'
import type { Exchange } from './exchange.ts'
import { fail } from './failure.ts'
import type { Faults } from './faults.ts'
import { type GuardrailChoice, type LocalGuardrail, runGuardrail } from './guardrail.ts'
import { parseJson } from './json.ts'
import type { Pace } from './latency.ts'
import { baseModelOf, limitsOf, type ModelLimits } from './models.ts'
import type { PromptCache } from './prompt-cache.ts'
import type { Quotas } from './quota.ts'
import type { JsonObject, LocalModel, Operation, Served } from './request.ts'
import { dialectOf, type Route, routeOf } from './routes.ts'
import { invalid, ServiceError } from './service-error.ts'
import { strike, TOO_MANY_REQUESTS, TOO_MANY_TOKENS, TOO_MANY_TOKENS_PER_DAY, throttling } from './strike.ts'

/** The parts that serve requests. */
export interface Service {
  account: Account
  clock: Clock
  faults: Faults
  guardrails: Readonly<Record<string, LocalGuardrail>>
  model: LocalModel
  models: Record<string, Partial<ModelLimits>>
  pace: Pace
  promptCache: PromptCache
  quotas: Quotas
}

const BODY_LIMIT_BYTES = 25 * 1024 * 1024
const REFUSALS = { requests: TOO_MANY_REQUESTS, tokens: TOO_MANY_TOKENS, daily: TOO_MANY_TOKENS_PER_DAY }

/** Answers one request. It never rejects: whatever happens becomes an answer and a record. */
export async function serve(service: Service, exchange: Exchange): Promise<void> {
  const at = service.clock.now()
  const route = routeOf(exchange)
  const entry = openEntry(service.account, exchange, {
    at,
    modelId: route?.modelId ?? '',
    operation: route?.operation ?? 'unknown',
  })
  let outcome: string
  try {
    const body = await exchange.body(BODY_LIMIT_BYTES)
    entry.received(body.length)
    if (!route) throw new ServiceError('UnknownOperationException', 404, 'There is no such operation.')
    outcome = await answer(service, exchange, route, body, entry)
  } catch (error) {
    outcome = fail(exchange, entry, error)
  }
  entry.record.totalMs = service.clock.now() - at
  entry.end(outcome)
}

/** Does the request and tells its outcome. */
async function answer(
  service: Service,
  exchange: Exchange,
  { operation, modelId }: Route,
  body: Buffer,
  entry: RequestEntry,
): Promise<string> {
  const { clock, faults, model, pace } = service
  const { record } = entry
  const baseModel = baseModelOf(modelId, service.models)
  const limits = limitsOf(modelId, baseModel, service.models)
  const readAt = clock.now()

  const dialect = dialectOf(operation, baseModel)
  const { request, prompt: parts, ready, ...parsed } = dialect.parse(modelId, readJson(body, operation))
  const metadata = parsed.metadata ?? headerMetadata(exchange)
  if (metadata) record.metadata = metadata
  const choice = parsed.guardrail ?? headerGuardrail(exchange)
  const said = request.turns.map(({ text }) => text).join('\n')
  const guardrail = choice && runGuardrail(service.guardrails, choice, said)
  // A prompt that is blocked costs no tokens.
  const prompt = service.promptCache.measure(modelId, guardrail?.blocksInput ? [] : parts)
  const { inputTokens, cacheReadTokens, cacheWriteTokens } = prompt
  Object.assign(record, { inputTokens, cacheReadTokens, cacheWriteTokens })
  const head = (headers: Record<string, string>) => {
    record.status = 200
    exchange.head(200, { 'x-amzn-requestid': record.id, ...headers })
  }
  checkLimits(request.maxTokens, inputTokens + cacheReadTokens + cacheWriteTokens, limits)

  const meetFault = async () => {
    const picked = faults.pick({ ...record, operation })
    if (picked) record.fault = picked.fault.fault
    return picked && strike(picked, exchange, clock)
  }
  if (operation === 'count-tokens') {
    const fault = await meetFault()
    if (fault === 'over') return record.fault!
    return sendWhole({ exchange, entry, head, fault }, JSON.stringify({ inputTokens }))
  }
  request.maxTokens ??= limits.maxTokens
  const hold = service.quotas.admit(modelId, {
    inputTokens,
    cacheReadTokens,
    cacheWriteTokens,
    maxTokens: request.maxTokens,
    burndown: limits.burndown,
  })
  if (hold.refused) {
    record.fault = `quota:${hold.refused}`
    throw throttling(REFUSALS[hold.refused])
  }
  let generating = false
  try {
    entry.open()
    const fault = await meetFault()
    if (fault === 'over') return record.fault!
    prompt.commit()
    generating = true
    if (ready) {
      const counted = { 'x-amzn-bedrock-input-token-count': String(inputTokens) }
      return await sendWhole({ exchange, entry, head, fault }, ready(prompt), counted)
    }
    const served = parsed.served ?? headerServed(exchange)
    const job = {
      exchange,
      entry,
      clock,
      model,
      pace,
      dialect,
      request,
      prompt,
      readAt,
      head,
      fault,
      guardrail,
      served,
    }
    return await (operation.endsWith('stream') ? answerStream(job) : answerWhole(job))
  } finally {
    // What broke before the model saw it is not charged.
    entry.settled(hold.settle(generating ? record.outputTokens : undefined))
  }
}

/** Converse's body is read by the front of the service, which has an exception of its own for what it cannot read. */
function readJson(body: Buffer, operation: Operation): JsonObject {
  try {
    return parseJson(body)
  } catch (error) {
    if (operation.startsWith('invoke')) throw error
    throw new ServiceError('SerializationException', 400, 'The request body is not a JSON object in UTF-8.')
  }
}

/** `requestMetadata` of InvokeModel travels in a header. */
function headerMetadata({ headers }: Exchange): Record<string, string> | undefined {
  const json = headers['x-amzn-bedrock-request-metadata']
  if (json === undefined) return undefined
  return parseJson(Buffer.from(String(json))) as Record<string, string>
}

/** The guardrail of InvokeModel, too. */
function headerGuardrail({ headers }: Exchange): GuardrailChoice | undefined {
  const id = headers['x-amzn-bedrock-guardrailidentifier']
  if (id === undefined) return undefined
  return { id: String(id), trace: /^ENABLED/.test(String(headers['x-amzn-bedrock-trace'] ?? '')) }
}

function headerServed({ headers }: Exchange): Served {
  const tier = headers['x-amzn-bedrock-service-tier']
  return tier === undefined ? {} : { serviceTier: String(tier) }
}

function checkLimits(maxTokens: number | undefined, promptTokens: number, limits: ModelLimits): void {
  if (promptTokens > limits.contextTokens) throw invalid('Input is too long for requested model.')
  if (maxTokens !== undefined && maxTokens > limits.maxTokens) {
    throw invalid(
      `The maximum tokens you requested exceeds the model limit of ${limits.maxTokens}. Try again with a maximum tokens value that is lower than ${limits.maxTokens}.`,
    )
  }
}
