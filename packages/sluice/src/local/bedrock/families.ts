/** The bodies of InvokeModel: how each family of models spells requests, answers and the chunks of a stream. */
import { anthropic } from './anthropic.ts'
import { converseAnswer, converseEvents } from './converse.ts'
import { parseConverse } from './converse-body.ts'
import { type AnswerStream, type ParsedBody, textOf } from './dialect.ts'
import { countAt, listAt, objectAt, stringAt } from './json.ts'
import type { AnswerEnd, Json, JsonObject, ModelRequest, Piece, PromptTokens } from './request.ts'

/** One family of bodies; answers and chunks are JSON text. */
export interface Family {
  parse(modelId: string, body: JsonObject): ParsedBody
  whole(pieces: readonly Piece[], end: AnswerEnd): string
  stream(prompt: PromptTokens, modelId: string): AnswerStream<string>
}

/** The family of a model; models of no other family speak like OpenAI's chat completions. */
export function familyOf(baseModel: string): Family {
  const [, family] = FAMILIES.find(([head]) => baseModel.startsWith(head)) ?? []
  return family ?? chat
}

const nova: Family = {
  parse: (modelId, body) => {
    const { max_new_tokens: maxTokens, ...config } = objectAt(body.inferenceConfig ?? {}, 'inferenceConfig')
    return parseConverse(modelId, {
      ...body,
      inferenceConfig: maxTokens === undefined ? config : { ...config, maxTokens },
    })
  },
  whole: (pieces, end) => JSON.stringify(converseAnswer(pieces, end)),
  stream: () => {
    const events = converseEvents()
    const chunk = ([type, json]: readonly [string, string]) => `{"${type}":${json}}`
    return {
      start: () => events.start().map(chunk),
      piece: (piece) => events.piece(piece).map(chunk),
      end: (end) => events.end(end).map(chunk),
    }
  },
}

const llama: Family = {
  parse: (modelId, body) =>
    textRequest(modelId, body.prompt, 'prompt', countAt(body.max_gen_len, 'max_gen_len') ?? 512),
  whole: (pieces, end) =>
    JSON.stringify(llamaPart(textOf(pieces), end.inputTokens, end.outputTokens, lengthOr(end, 'stop'))),
  stream: ({ inputTokens }) => {
    let tokens = 0
    return textStream(
      (text) => llamaPart(text, tokens === 0 ? inputTokens : null, ++tokens, null),
      (end) => llamaPart('', null, end.outputTokens, lengthOr(end, 'stop')),
    )
  },
}
const llamaPart = (generation: string, input: number | null, output: number, stop: string | null) => ({
  generation,
  prompt_token_count: input,
  generation_token_count: output,
  stop_reason: stop,
})

const mistral: Family = {
  parse: (modelId, body) =>
    textRequest(modelId, body.prompt, 'prompt', countAt(body.max_tokens, 'max_tokens') ?? 512, body.stop),
  whole: (pieces, end) => JSON.stringify(mistralPart(textOf(pieces), lengthOr(end, 'stop'))),
  stream: () =>
    textStream(
      (text) => mistralPart(text, null),
      (end) => mistralPart('', lengthOr(end, 'stop')),
    ),
}
const mistralPart = (text: string, stop_reason: string | null) => ({ outputs: [{ text, stop_reason }] })

const titan: Family = {
  parse: (modelId, body) => {
    const config = objectAt(body.textGenerationConfig ?? {}, 'textGenerationConfig')
    const maxTokens = countAt(config.maxTokenCount, 'textGenerationConfig.maxTokenCount') ?? 512
    return textRequest(modelId, body.inputText, 'inputText', maxTokens, config.stopSequences)
  },
  whole: (pieces, end) =>
    JSON.stringify({
      inputTextTokenCount: end.inputTokens,
      results: [
        {
          tokenCount: end.outputTokens,
          outputText: textOf(pieces),
          completionReason: lengthOr(end, 'FINISH', 'LENGTH'),
        },
      ],
    }),
  stream: ({ inputTokens }) => {
    const part = (outputText: string, total: number | null, completionReason: string | null) => ({
      outputText,
      index: 0,
      totalOutputTextTokenCount: total,
      completionReason,
      inputTextTokenCount: inputTokens,
    })
    return textStream(
      (text) => part(text, null, null),
      (end) => part('', end.outputTokens, lengthOr(end, 'FINISH', 'LENGTH')),
    )
  },
}

/** Command R: one message and what was said before. */
const commandR: Family = {
  parse: (modelId, body) => {
    const history = listAt(body.chat_history ?? [], 'chat_history').map((item, index) => {
      const { role, message } = objectAt(item, `chat_history.${index}`)
      const text = stringAt(message, `chat_history.${index}.message`)
      return { role: role === 'CHATBOT' ? 'assistant' : 'user', text }
    })
    const turns = [...history, { role: 'user', text: stringAt(body.message, 'message') }]
    const system = body.preamble === undefined ? '' : stringAt(body.preamble, 'preamble')
    return turnsRequest(modelId, turns, countAt(body.max_tokens, 'max_tokens'), body.stop_sequences, system)
  },
  whole: (pieces, end) => JSON.stringify({ text: textOf(pieces), finish_reason: cohereReason(end) }),
  stream: () =>
    textStream(
      (text) => ({ event_type: 'text-generation', text, is_finished: false }),
      (end) => ({ event_type: 'stream-end', finish_reason: cohereReason(end), is_finished: true }),
    ),
}

const command: Family = {
  parse: (modelId, body) =>
    textRequest(
      modelId,
      body.prompt,
      'prompt',
      countAt(body.max_tokens, 'max_tokens') ?? 512,
      body.stop_sequences,
    ),
  whole: (pieces, end) =>
    JSON.stringify({ generations: [{ text: textOf(pieces), finish_reason: cohereReason(end) }] }),
  stream: () =>
    textStream(
      (text) => ({ text, is_finished: false }),
      (end) => ({ text: '', is_finished: true, finish_reason: cohereReason(end) }),
    ),
}
const cohereReason = (end: AnswerEnd) => lengthOr(end, 'COMPLETE', 'MAX_TOKENS')

const chat: Family = {
  parse: (modelId, body) => {
    const turns = listAt(body.messages, 'messages').map((item, index) => {
      const { role, content } = objectAt(item, `messages.${index}`)
      const texts =
        typeof content === 'string' ? [content] : listAt(content, `messages.${index}.content`).map(partText)
      return { role: stringAt(role, `messages.${index}.role`), text: texts.join('\n') }
    })
    const system = turns.filter(({ role }) => role === 'system').map(({ text }) => text)
    const maxTokens = countAt(body.max_completion_tokens ?? body.max_tokens, 'max_tokens')
    const talk = turns.filter(({ role }) => role !== 'system')
    return turnsRequest(modelId, talk, maxTokens, [body.stop ?? []].flat(), system.join('\n'))
  },
  whole: (pieces, end) =>
    JSON.stringify({
      object: 'chat.completion',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: textOf(pieces) },
          finish_reason: lengthOr(end, 'stop'),
        },
      ],
      usage: {
        prompt_tokens: end.inputTokens,
        completion_tokens: end.outputTokens,
        total_tokens: end.inputTokens + end.outputTokens,
      },
    }),
  stream: () => {
    const part = (delta: JsonObject, finish_reason: string | null) => ({
      object: 'chat.completion.chunk',
      choices: [{ index: 0, delta, finish_reason }],
    })
    return textStream(
      (content) => part({ content }, null),
      (end) => part({}, lengthOr(end, 'stop')),
    )
  },
}

/** By the head of the base model; the first that fits. */
const FAMILIES: readonly (readonly [head: string, family: Family])[] = [
  ['anthropic.', anthropic],
  ['amazon.nova', nova],
  ['amazon.titan', titan],
  ['meta.llama', llama],
  ['mistral.pixtral', chat],
  ['mistral.mistral-large-2407', chat],
  ['mistral.', mistral],
  ['cohere.command-r', commandR],
  ['cohere.', command],
]

const lengthOr = ({ stopReason }: AnswerEnd, finished: string, tooLong = 'length') =>
  stopReason === 'max_tokens' ? tooLong : finished

const partText = (part: Json) => String((part as JsonObject | null)?.text ?? '')

/** The stream of a family that knows only text. */
function textStream(
  part: (text: string) => JsonObject,
  last: (end: AnswerEnd) => JsonObject,
): AnswerStream<string> {
  return {
    start: () => [],
    piece: (piece) => (typeof piece === 'string' ? [JSON.stringify(part(piece))] : []),
    end: (end) => [JSON.stringify(last(end))],
  }
}

function turnsRequest(
  modelId: string,
  turns: ModelRequest['turns'],
  maxTokens: number | undefined,
  stop: Json | undefined,
  system = '',
): ParsedBody {
  const stopSequences = listAt(stop ?? [], 'stop sequences').map(String)
  const request: ModelRequest = { modelId, system, turns, stopSequences, tools: [] }
  if (maxTokens !== undefined) request.maxTokens = maxTokens
  return { request, prompt: [system, ...turns.map(({ text }) => text)] }
}

const LLAMA_TURN =
  /<\|(?:start_header_id|header_start)\|>(\w+)<\|(?:end_header_id|header_end)\|>([\s\S]*?)(?:<\|eot(?:_id)?\|>|$)/g
const MISTRAL_TURN = /\[INST\]([\s\S]*?)\[\/INST\]/g

/** A request whose prompt is one text, turns and all, in the marks of its family. */
function textRequest(
  modelId: string,
  prompt: Json | undefined,
  path: string,
  maxTokens: number,
  stop?: Json,
): ParsedBody {
  const text = stringAt(prompt, path)
  const turns = [...text.matchAll(LLAMA_TURN)].map(([, role = '', said = '']) => ({
    role,
    text: said.trim(),
  }))
  if (turns.length === 0) {
    for (const [, said = ''] of text.matchAll(MISTRAL_TURN)) turns.push({ role: 'user', text: said.trim() })
  }
  if (turns.length === 0)
    turns.push({ role: 'user', text: text.replace(/^User:\s*|\s*(?:Bot|Assistant):\s*$/g, '') })
  const system = turns.find(({ role }) => role === 'system')?.text ?? ''
  const talk = turns.filter(({ role }) => role !== 'system')
  return { ...turnsRequest(modelId, talk, maxTokens, stop, system), prompt: [text] }
}
