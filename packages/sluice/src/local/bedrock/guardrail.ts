/** Guardrails: words that block a prompt or an answer, and the trace of it. */
import type { Ending } from './generate.ts'
import type { Json, JsonObject, Piece } from './request.ts'
import { invalid } from './service-error.ts'
import { splitTokens } from './tokens.ts'

/** What a guardrail blocks, and what is said instead. */
export interface LocalGuardrail {
  /** Words or phrases, whatever their case. */
  blockedWords: readonly string[]
  /** @default 'Sorry, the model cannot answer this question.' */
  blockedInputMessage?: string
  /** @default 'Sorry, the model cannot answer this question.' */
  blockedOutputMessage?: string
}

/** Which guardrail a request wants. */
export interface GuardrailChoice {
  id: string
  trace: boolean
}

/** A guardrail at work on one request. */
export interface GuardrailRun {
  /** Whether the prompt is blocked, so that no model sees it. */
  readonly blocksInput: boolean
  /** Passes an answer on, or what is said instead of it. */
  watch(batches: AsyncIterable<readonly Piece[]>, ending: Ending): AsyncIterable<readonly Piece[]>
  /** What it found, if the request asked for that. */
  trace(): JsonObject | undefined
}

const BLOCKED = 'Sorry, the model cannot answer this question.'

/** Starts a guardrail on a request. @throws ServiceError when there is no such guardrail */
export function runGuardrail(
  guardrails: Readonly<Record<string, LocalGuardrail>>,
  { id, trace }: GuardrailChoice,
  prompt: string,
): GuardrailRun {
  const name = id.slice(id.lastIndexOf('/') + 1)
  const guardrail = Object.hasOwn(guardrails, name) ? guardrails[name] : undefined
  if (!guardrail) throw invalid('The guardrail identifier or version provided in the request does not exist.')
  const { blockedWords, blockedInputMessage = BLOCKED, blockedOutputMessage = BLOCKED } = guardrail
  const found = (text: string) =>
    blockedWords.filter((word) => text.toLowerCase().includes(word.toLowerCase()))
  const inPrompt = found(prompt)
  let inAnswer: string[] = []

  return {
    blocksInput: inPrompt.length > 0,
    async *watch(batches, ending) {
      if (inPrompt.length > 0) {
        ending.stopReason = 'guardrail_intervened'
        yield splitTokens(blockedInputMessage)
        return
      }
      const pieces: Piece[] = []
      for await (const batch of batches) pieces.push(...batch)
      inAnswer = found(pieces.filter((piece) => typeof piece === 'string').join(''))
      if (inAnswer.length > 0) ending.stopReason = 'guardrail_intervened'
      yield inAnswer.length > 0 ? splitTokens(blockedOutputMessage) : pieces
    },
    trace() {
      if (!trace) return undefined
      const input = { inputAssessment: { [name]: assessment(inPrompt) } }
      if (inPrompt.length > 0) return { guardrail: { ...input, actionReason: 'Guardrail blocked.' } }
      return {
        guardrail: {
          ...input,
          outputAssessments: { [name]: [assessment(inAnswer)] },
          ...(inAnswer.length > 0 && { actionReason: 'Guardrail blocked.' }),
        },
      }
    },
  }
}

function assessment(words: readonly string[]): JsonObject {
  const customWords = words.map((match): Json => ({ match, action: 'BLOCKED', detected: true }))
  return {
    ...(words.length > 0 && { wordPolicy: { customWords, managedWordLists: [] } }),
    invocationMetrics: {
      guardrailProcessingLatency: 1,
      usage: {
        topicPolicyUnits: 0,
        contentPolicyUnits: 0,
        wordPolicyUnits: 1,
        sensitiveInformationPolicyUnits: 0,
        sensitiveInformationPolicyFreeUnits: 0,
        contextualGroundingPolicyUnits: 0,
      },
    },
  }
}
