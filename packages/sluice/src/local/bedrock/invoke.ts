/** The dialects of InvokeModel and InvokeModelWithResponseStream: a family's bodies in the service's wrapping. */
import type { Dialect } from './dialect.ts'
import { eventFrame } from './event-stream.ts'
import type { Family } from './families.ts'
import type { AnswerEnd, PromptTokens } from './request.ts'

/** The dialect of a family of bodies. */
export function invoke(family: Family): Dialect {
  return {
    parse: family.parse,
    whole: (pieces, end) => ({
      json: family.whole(pieces, end),
      headers: {
        'x-amzn-bedrock-invocation-latency': String(Math.round(end.latencyMs)),
        ...Object.fromEntries(counts(end).map(([name, count]) => [`x-amzn-bedrock-${name}`, String(count)])),
      },
    }),
    streamHeaders: { 'x-amzn-bedrock-content-type': 'application/json' },
    stream(prompt, modelId) {
      const chunks = family.stream(prompt, modelId)
      const frame = (json: string) =>
        eventFrame('chunk', `{"bytes":"${Buffer.from(json).toString('base64')}","p":"abcdefgh"}`)
      return {
        start: () => chunks.start().map(frame),
        piece: (piece) => chunks.piece(piece).map(frame),
        end(end) {
          const last = chunks.end(end)
          return last.map((json, index) => frame(index === last.length - 1 ? withMetrics(json, end) : json))
        },
      }
    },
  }
}

type Count = readonly [header: string, tokens: number]

function counts(end: PromptTokens & { outputTokens: number }): Count[] {
  const plain: Count[] = [
    ['input-token-count', end.inputTokens],
    ['output-token-count', end.outputTokens],
  ]
  if (end.cacheReadTokens + end.cacheWriteTokens === 0) return plain
  return [
    ...plain,
    ['cache-read-input-token-count', end.cacheReadTokens],
    ['cache-write-input-token-count', end.cacheWriteTokens],
  ]
}

/** The last chunk also tells what the call came to. */
function withMetrics(json: string, end: AnswerEnd): string {
  const metrics = JSON.stringify({
    inputTokenCount: end.inputTokens,
    outputTokenCount: end.outputTokens,
    invocationLatency: Math.round(end.latencyMs),
    firstByteLatency: Math.round(end.firstTokenMs),
    ...(end.cacheReadTokens + end.cacheWriteTokens > 0 && {
      cacheReadInputTokenCount: end.cacheReadTokens,
      cacheWriteInputTokenCount: end.cacheWriteTokens,
    }),
  })
  return `${json.slice(0, -1)},"amazon-bedrock-invocationMetrics":${metrics}}`
}
