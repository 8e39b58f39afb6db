/** The dialect of Converse and ConverseStream. */
import { parseConverse } from './converse-body.ts'
import { blocksOf, type Dialect, toolInput } from './dialect.ts'
import { eventFrame } from './event-stream.ts'
import type { AnswerEnd, JsonObject, Piece } from './request.ts'

/** Converse: one shape for every model. */
export const converse: Dialect = {
  parse: parseConverse,
  whole: (pieces, end) => ({
    json: JSON.stringify({
      metrics: { latencyMs: Math.round(end.latencyMs) },
      ...converseAnswer(pieces, end),
      ...servedOf(end),
      ...modelFieldsOf(end),
    }),
    headers: {},
  }),
  streamHeaders: {},
  stream() {
    const events = converseEvents()
    let sent = 0
    // The service pads each event to a length of its own, so that tokens cannot be told by their length on the wire.
    const frame = ([type, json]: ConverseEvent) => {
      const padding = PADDING.slice(0, 1 + ((sent++ * 31) % PADDING.length))
      return eventFrame(type, `${json.slice(0, -1)},"p":"${padding}"}`)
    }
    return {
      start: () => events.start().map(frame),
      piece: (piece) => events.piece(piece).map(frame),
      end: (end) => events.end(end).map(frame),
    }
  },
}

const PADDING = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'

/** An event of a stream: its type, and its payload as JSON. */
export type ConverseEvent = readonly [type: string, json: string]

/** The events of one streamed answer, in the service's strict order. */
export function converseEvents() {
  let block = -1
  let open: 'text' | 'tool' | undefined
  const closeBlock = (): ConverseEvent[] => {
    if (!open) return []
    open = undefined
    return [['contentBlockStop', `{"contentBlockIndex":${block}}`]]
  }
  return {
    start: (): ConverseEvent[] => [['messageStart', '{"role":"assistant"}']],
    piece(piece: Piece): ConverseEvent[] {
      if (typeof piece === 'string') {
        // A block of text has no start event; a block of a tool has.
        if (!open) {
          open = 'text'
          block++
        }
        const text = JSON.stringify(piece)
        const delta = open === 'tool' ? `{"toolUse":{"input":${text}}}` : `{"text":${text}}`
        return [['contentBlockDelta', `{"contentBlockIndex":${block},"delta":${delta}}`]]
      }
      const events = closeBlock()
      open = 'tool'
      block++
      const start = JSON.stringify({ contentBlockIndex: block, start: { toolUse: piece.toolUse } })
      return [...events, ['contentBlockStart', start]]
    },
    end: (end: AnswerEnd): ConverseEvent[] => [
      ...closeBlock(),
      ['messageStop', JSON.stringify({ stopReason: end.stopReason, ...modelFieldsOf(end) })],
      [
        'metadata',
        JSON.stringify({
          metrics: { latencyMs: Math.round(end.latencyMs) },
          usage: usageOf(end),
          ...servedOf(end),
        }),
      ],
    ],
  }
}

/** Message, stop reason and usage of a whole answer. */
export function converseAnswer(pieces: readonly Piece[], end: AnswerEnd): JsonObject {
  const content = blocksOf(pieces).map((block) => {
    if ('text' in block) return { text: block.text }
    const { toolUseId, name, inputJson } = block.toolUse
    return { toolUse: { toolUseId, name, input: toolInput(inputJson) } }
  })
  return {
    output: { message: { role: 'assistant', content } },
    stopReason: end.stopReason,
    usage: usageOf(end),
  }
}

function servedOf({ served: { modelFields, ...served }, trace }: AnswerEnd): JsonObject {
  return { ...(served as JsonObject), ...(trace && { trace }) }
}

function modelFieldsOf({ served: { modelFields }, stopSequence }: AnswerEnd): JsonObject {
  return modelFields ? { additionalModelResponseFields: { stop_sequence: stopSequence ?? null } } : {}
}

function usageOf(end: AnswerEnd): JsonObject {
  const { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens } = end
  const totalTokens = inputTokens + cacheReadTokens + cacheWriteTokens + outputTokens
  const usage = { inputTokens, outputTokens, totalTokens }
  if (cacheReadTokens + cacheWriteTokens === 0) return usage
  return {
    ...usage,
    cacheReadInputTokens: cacheReadTokens,
    cacheWriteInputTokens: cacheWriteTokens,
    cacheDetails: end.cacheWrites,
  }
}
