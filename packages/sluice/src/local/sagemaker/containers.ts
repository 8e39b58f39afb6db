/** What stands behind an endpoint: the built-in containers of language models, and those that a test brings. */
import type { AnswerStream, Dialect, ParsedBody } from '../bedrock/dialect.ts'
import { textOf } from '../bedrock/dialect.ts'
import { familyOf } from '../bedrock/families.ts'
import { countAt, objectAt, stringAt } from '../bedrock/json.ts'
import type { AnswerEnd, JsonObject, Piece } from '../bedrock/request.ts'
import { invalid } from '../bedrock/service-error.ts'

/**
 * `chat` speaks like OpenAI's chat completions, as vLLM and the containers for large models of AWS do; `tgi` like
 * Hugging Face's text generation inference. A function is a container of your own.
 */
export type Container = 'chat' | 'tgi' | ContainerFunction

/** Answers a request. What it throws is the container's own failure, as its status 500 would be. */
export type ContainerFunction = (
  request: ContainerRequest,
) => string | ContainerAnswer | Promise<string | ContainerAnswer>

/** What a container is asked. */
export interface ContainerRequest {
  readonly body: string
  readonly contentType: string
  readonly accept: string
}

/** What a container answers. */
export interface ContainerAnswer {
  readonly body: string
  /** @default what was accepted, else application/json */
  readonly contentType?: string
  /** @default 200 */
  readonly status?: number
}

/** @internal How a container of a language model reads and writes; a stream is bytes, for others to cut. */
export interface Spelling extends Pick<Dialect, 'parse' | 'whole'> {
  readonly streamType: string
  /** Whether a request wants its answer piece by piece. */
  streams(body: JsonObject): boolean
  stream(body: JsonObject): AnswerStream<string>
}

/** @internal */
export const spellings: Readonly<Record<'chat' | 'tgi', Spelling>> = {
  chat: chat(),
  tgi: tgi(),
}

function chat(): Spelling {
  const { parse, whole } = familyOf('openai.')
  const event = (value: object) => `data: ${JSON.stringify(value)}\n\n`
  const chunk = (delta: object, finish_reason: string | null) =>
    event({
      id: 'chatcmpl-local',
      object: 'chat.completion.chunk',
      choices: [{ index: 0, delta, finish_reason }],
    })
  return {
    parse,
    whole: (pieces, end) => ({ json: whole(pieces, end), headers: {} }),
    streamType: 'text/event-stream',
    streams: ({ stream }) => stream === true,
    stream: ({ stream_options }) => ({
      start: () => [chunk({ role: 'assistant', content: '' }, null)],
      piece: (piece) => (typeof piece === 'string' ? [chunk({ content: piece }, null)] : []),
      end: (end) => [
        chunk({}, end.stopReason === 'max_tokens' ? 'length' : 'stop'),
        ...((stream_options as JsonObject | undefined)?.include_usage
          ? [event({ object: 'chat.completion.chunk', choices: [], usage: chatUsage(end) })]
          : []),
        'data: [DONE]\n\n',
      ],
    }),
  }
}

const chatUsage = ({ inputTokens, outputTokens }: AnswerEnd) => ({
  prompt_tokens: inputTokens,
  completion_tokens: outputTokens,
  total_tokens: inputTokens + outputTokens,
})

function tgi(): Spelling {
  const reason = ({ stopReason }: AnswerEnd) =>
    stopReason === 'max_tokens' ? 'length' : stopReason === 'stop_sequence' ? 'stop_sequence' : 'eos_token'
  const token = (text: string, special: boolean, more: object) =>
    `data:${JSON.stringify({ index: 0, token: { id: 1, text, logprob: -0.1, special }, ...more })}\n\n`
  return {
    parse(modelId, body): ParsedBody {
      const inputs = stringAt(body.inputs, 'inputs')
      const parameters = objectAt(body.parameters ?? {}, 'parameters')
      if (body.stream === true && parameters.decoder_input_details === true) {
        throw invalid('`decoder_input_details` == true is not supported when streaming tokens')
      }
      return familyOf('openai.').parse(modelId, {
        messages: [{ role: 'user', content: inputs }],
        max_tokens: countAt(parameters.max_new_tokens, 'parameters.max_new_tokens') ?? 100,
        stop: parameters.stop ?? [],
      })
    },
    whole(pieces, end) {
      const details = {
        finish_reason: reason(end),
        generated_tokens: end.outputTokens,
        seed: null,
        prefill: Array.from({ length: end.inputTokens }, (_, id) => ({ id, text: '', logprob: null })),
        tokens: [],
      }
      return { json: JSON.stringify([{ generated_text: textOf(pieces), details }]), headers: {} }
    },
    streamType: 'text/event-stream',
    streams: ({ stream }) => stream === true,
    stream: () => {
      let text = ''
      return {
        start: () => [],
        piece(piece: Piece) {
          if (typeof piece !== 'string') return []
          text += piece
          return [token(piece, false, { generated_text: null, details: null })]
        },
        end(end) {
          const { outputTokens: generated_tokens, inputTokens: input_length } = end
          const details = { finish_reason: reason(end), generated_tokens, seed: null, input_length }
          return [token('</s>', true, { generated_text: text, details })]
        },
      }
    },
  }
}
