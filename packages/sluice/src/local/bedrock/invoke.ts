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
      json: intervened(family.whole(pieces, end), end),
      headers: {
        ...tierHeader(end),
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
          return last.map((json, index) =>
            frame(index === last.length - 1 ? intervened(withMetrics(json, end), end) : json),
          )
        },
      }
    },
  }
}

function tierHeader({ served: { serviceTier } }: AnswerEnd): Record<string, string> {
  return typeof serviceTier === 'string' ? { 'x-amzn-bedrock-service-tier': serviceTier } : {}
}

/** What a guardrail did stands beside the body of the family. */
function intervened(json: string, { stopReason, trace }: AnswerEnd): string {
  const action = stopReason === 'guardrail_intervened' ? 'INTERVENED' : 'NONE'
  if (action === 'NONE' && !trace) return json
  const beside = trace ? `,"amazon-bedrock-trace":${JSON.stringify(trace)}` : ''
  return `${json.slice(0, -1)}${beside},"amazon-bedrock-guardrailAction":"${action}"}`
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
