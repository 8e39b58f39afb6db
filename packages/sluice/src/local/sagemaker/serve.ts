/** The runtime of SageMaker: the path of one invocation of an endpoint. */
import { answerStream, answerWhole } from '../bedrock/answer.ts'
import type { Clock } from '../bedrock/clock.ts'
import type { Account, RequestEntry } from '../bedrock/counters.ts'
import type { AnswerStream, Dialect } from '../bedrock/dialect.ts'
import { bytesFrame } from '../bedrock/event-stream.ts'
import type { Exchange } from '../bedrock/exchange.ts'
import { fail } from '../bedrock/failure.ts'
import type { Faults } from '../bedrock/faults.ts'
import { parseJson } from '../bedrock/json.ts'
import type { Pace } from '../bedrock/latency.ts'
import type { LocalModel, ModelRequest, PromptTokens } from '../bedrock/request.ts'
import { ServiceError } from '../bedrock/service-error.ts'
import { strike } from '../bedrock/strike.ts'
import { countTokens } from '../bedrock/tokens.ts'
import type { Container, ContainerAnswer, ContainerRequest, Spelling } from './containers.ts'
import { spellings } from './containers.ts'

/** @internal What serves invocations. */
export interface Runtime {
  readonly account: Account
  readonly clock: Clock
  readonly faults: Faults
  readonly model: LocalModel
  readonly pace: Pace
}

/** @internal One invocation, and who answers it. */
export interface Invocation {
  readonly exchange: Exchange
  readonly entry: RequestEntry
  readonly container: Container
  readonly request: ContainerRequest
  readonly streaming: boolean
  readonly chunkBytes: number | undefined
  readonly headers: Readonly<Record<string, string>>
}

const noPrompt: PromptTokens = { inputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, cacheWrites: [] }

/** @internal Answers an invocation. Tells the outcome. @throws ServiceError what is answered instead */
export async function answer(runtime: Runtime, invocation: Invocation): Promise<string> {
  const { exchange, entry, container, request, streaming } = invocation
  const { clock } = runtime
  const readAt = clock.now()
  const asked = typeof container === 'function' ? undefined : ask(container, request)
  const prompt = asked?.prompt ?? noPrompt
  Object.assign(entry.record, { inputTokens: prompt.inputTokens })
  entry.open()
  const picked = runtime.faults.pick({ ...entry.record, operation: entry.record.operation as 'invocations' })
  if (picked) entry.record.fault = picked.fault.fault
  const fault = picked && (await strike(picked, exchange, clock))
  if (fault === 'over') return String(entry.record.fault)
  const dialect =
    typeof container === 'function'
      ? answered(await run(container, request))
      : spelled(spellings[container], request, invocation)
  const job = {
    exchange,
    entry,
    clock,
    model: asked ? runtime.model : silent,
    pace: runtime.pace,
    dialect: cut(dialect, invocation.chunkBytes),
    request: asked?.request ?? {
      modelId: entry.record.modelId,
      system: '',
      turns: [],
      stopSequences: [],
      tools: [],
    },
    prompt,
    readAt,
    head(headers: Record<string, string>) {
      entry.record.status = 200
      exchange.head(200, { 'x-amzn-requestid': entry.record.id, ...invocation.headers, ...headers })
    },
    fault,
    guardrail: undefined,
    served: {},
  }
  return streaming ? answerStream(job) : answerWhole(job)
}

/** @internal A failure of the container, as SageMaker passes it on. */
export function modelError(status: number, message: string): ServiceError {
  const who = status < 500 ? 'client' : 'server'
  const error = new ServiceError(
    'ModelError',
    424,
    `Received ${who} error (${status}) from primary with message "${message}". See the logs of the endpoint.`,
  )
  return Object.assign(error, { fields: { OriginalStatusCode: status, OriginalMessage: message } })
}

/** @internal Ends an exchange with what SageMaker says of an error. Tells the outcome. */
export function refuse(exchange: Exchange, entry: RequestEntry, error: unknown): string {
  return fail(exchange, entry, error, {
    internal: 'InternalFailure',
    inStream: 'InternalStreamFailure',
    body: (known) => ({ Message: known.message, ...(known as { fields?: object }).fields }),
  })
}

/** @internal The answer of a function. @throws ServiceError when it failed */
export async function run(
  container: Exclude<Container, string>,
  request: ContainerRequest,
): Promise<Required<ContainerAnswer>> {
  let answer: string | ContainerAnswer
  try {
    answer = await container(request)
  } catch (error) {
    throw modelError(500, String(error))
  }
  const { body, contentType, status = 200 } = typeof answer === 'string' ? { body: answer } : answer
  if (status >= 400) throw modelError(status, body)
  return { body, status, contentType: contentType ?? (request.accept || 'application/json') }
}

/** @internal What a container of a language model is asked. @throws ServiceError when it does not understand */
export function ask(
  container: 'chat' | 'tgi',
  { body }: ContainerRequest,
): { readonly request: ModelRequest; readonly prompt: PromptTokens } {
  try {
    const { request, prompt } = spellings[container].parse('', parseJson(Buffer.from(body)))
    const inputTokens = prompt.reduce<number>(
      (sum, part) => sum + (typeof part === 'string' ? countTokens(part) : 0),
      0,
    )
    return { request, prompt: { ...noPrompt, inputTokens } }
  } catch (error) {
    throw error instanceof ServiceError ? modelError(error.status, error.message) : error
  }
}

/** Text, before it is cut into parts. */
type TextDialect = Omit<Dialect, 'stream'> & { stream(): AnswerStream<string> }

const streamHeaders = (contentType: string) => ({ 'x-amzn-sagemaker-content-type': contentType })

/** The dialect of an answer that is there. */
function answered({ body, contentType }: Required<ContainerAnswer>): TextDialect {
  return {
    parse: unread,
    whole: () => ({ json: body, headers: { 'content-type': contentType } }),
    streamHeaders: streamHeaders(contentType),
    stream: () => ({ start: () => [body], piece: () => [], end: () => [] }),
  }
}

function spelled(spelling: Spelling, { body }: ContainerRequest, { streaming }: Invocation): TextDialect {
  const asked = parseJson(Buffer.from(body))
  const { parse, whole, streamType } = spelling
  if (!streaming || spelling.streams(asked)) {
    return { parse, whole, streamHeaders: streamHeaders(streamType), stream: () => spelling.stream(asked) }
  }
  // Whoever does not ask the container to stream gets the whole answer as one part, or as many as it is cut into.
  const pieces: Parameters<typeof whole>[0][number][] = []
  return {
    parse,
    whole,
    streamHeaders: streamHeaders('application/json'),
    stream: () => ({
      start: () => [],
      piece(piece) {
        pieces.push(piece)
        return []
      },
      end: (end) => [whole(pieces, end).json],
    }),
  }
}

/** Parts as SageMaker makes them: where they begin and end has nothing to do with lines or characters. */
function cut(dialect: TextDialect, chunkBytes: number | undefined): Dialect {
  return {
    ...dialect,
    stream() {
      const text = dialect.stream()
      let rest: Buffer = Buffer.alloc(0)
      const parts = (texts: readonly string[], isLast = false) => {
        rest = Buffer.concat([rest, Buffer.from(texts.join(''))])
        const size = chunkBytes ?? Math.max(1, rest.length)
        const frames: Buffer[] = []
        while (rest.length >= size || (isLast && rest.length > 0)) {
          frames.push(bytesFrame('PayloadPart', rest.subarray(0, size)))
          rest = rest.subarray(size)
        }
        return frames
      }
      return {
        start: () => parts(text.start()),
        piece: (piece) => parts(text.piece(piece)),
        end: (end) => parts(text.end(end), true),
      }
    },
  }
}

/** No model writes what a function answers. */
const silent: LocalModel = async function* silent() {}

function unread(): never {
  throw new Error('A function reads its requests itself.')
}
