/**
 * What is learned from every attempt, per base model: bytes per token, length of answers, speed. Kept for the life
 * of the sandbox on purpose: a warm start knows more than a cold one. No payload is kept.
 */

import type { ModelRequest } from './call.ts'
import type { Outcome } from './outcome.ts'
import { promptTokens } from './usage.ts'

export interface ModelStatistics {
  /** Attempts learned from. */
  readonly attempts: number
  readonly inputBytesPerToken: number
  readonly outputBytesPerToken: number
  /** Output tokens that 50 % and 99 % of the answers stayed within; undefined before the first answer. */
  readonly outputTokensP50: number | undefined
  readonly outputTokensP99: number | undefined
  /** Milliseconds from sending to the first content of a stream; undefined before the first stream. */
  readonly firstContentMs: number | undefined
  /** After the first content of a stream, else over the whole service time. */
  readonly tokensPerSecond: number | undefined
}

/** Low on purpose: an estimate that is too high reserves a little more quota, one that is too low is throttled. */
const defaultBytesPerToken = 3.5
const smoothing = 0.1
const maxModels = 256

interface Learned {
  attempts: number
  inputBytesPerToken: number
  outputBytesPerToken: number
  firstContentMs: number | undefined
  tokensPerSecond: number | undefined
  /** Counts of answers by length; bucket i holds lengths up to 2^(i/4). */
  readonly lengths: Float64Array
  /** What all of this comes to, as it was told since it was last learned: a call asks several times. */
  told: ModelStatistics | undefined
}

const learnedByModel = new Map<string, Learned>()
const unknown = nothingLearned()

/** What is known of a model; the defaults for one that was never called. */
export function statisticsOf(baseModelId: string): ModelStatistics {
  const learned = learnedByModel.get(baseModelId) ?? unknown
  learned.told ??= {
    attempts: learned.attempts,
    inputBytesPerToken: learned.inputBytesPerToken,
    outputBytesPerToken: learned.outputBytesPerToken,
    outputTokensP50: quantile(learned.lengths, 0.5),
    outputTokensP99: quantile(learned.lengths, 0.99),
    firstContentMs: learned.firstContentMs,
    tokensPerSecond: learned.tokensPerSecond,
  }
  return learned.told
}

/** The last durations of what was held at the end of an invocation: settling quota, writing what was used. */
const heldMs: number[] = []
const heldKept = 128
let heldCount = 0

/** @internal Learns how long something that an invocation was held open for has taken. */
export function observeHeld(durationMs: number): void {
  heldMs[heldCount++ % heldKept] = Math.max(0, durationMs)
}

/** Milliseconds that 99 % of what was held (`scope.hold()`) took lately in this sandbox; undefined before the first. */
export function heldMsP99(): number | undefined {
  let longest: number | undefined
  let second: number | undefined
  for (const each of heldMs) {
    if (longest === undefined || each > longest) {
      second = longest
      longest = each
    } else if (second === undefined || each > second) second = each
  }
  // Every invocation asks: nothing is sorted. Of less than 200 it is one of the two longest.
  return heldMs.length < 100 ? longest : second
}

/** Forgets everything; for tests. */
export function resetStatistics(): void {
  learnedByModel.clear()
  heldMs.length = 0
  heldCount = 0
}

/** Tokens that a prompt of `inputBytes` will be counted as. Rounds up; learns with every answer. */
export function estimateInputTokens(baseModelId: string, inputBytes: number): number {
  return Math.ceil(inputBytes / (learnedByModel.get(baseModelId)?.inputBytesPerToken ?? defaultBytesPerToken))
}

/** Tokens that `outputBytes` of an answer amount to, for answers whose usage was never told. */
export function estimateTokens(baseModelId: string, outputBytes: number): number {
  return Math.ceil(
    outputBytes / (learnedByModel.get(baseModelId)?.outputBytesPerToken ?? defaultBytesPerToken),
  )
}

/** @internal Learns from the end of an attempt; estimated usage teaches nothing. */
export function observe(request: ModelRequest, outcome: Outcome, outputBytes: number): void {
  if (outcome.estimated || outcome.status !== 'answered' || !outcome.sent) return
  const { usage } = outcome
  const learned = learnedFor(request.baseModelId)
  learned.told = undefined
  learned.attempts++
  const weight = Math.max(smoothing, 1 / learned.attempts)
  const input = promptTokens(usage)
  if (input > 0 && request.inputBytes > 0) {
    learned.inputBytesPerToken += weight * (request.inputBytes / input - learned.inputBytesPerToken)
  }
  if (usage.outputTokens > 0) {
    if (outputBytes > 0)
      learned.outputBytesPerToken += weight * (outputBytes / usage.outputTokens - learned.outputBytesPerToken)
    count(learned.lengths, usage.outputTokens)
    const generatingMs = (outcome.serviceMs ?? 0) - (outcome.firstContentMs ?? 0)
    if (generatingMs > 0) {
      learned.tokensPerSecond = ema(learned.tokensPerSecond, (usage.outputTokens / generatingMs) * 1000)
    }
  }
  if (outcome.firstContentMs !== undefined)
    learned.firstContentMs = ema(learned.firstContentMs, outcome.firstContentMs)
}

function ema(previous: number | undefined, value: number): number {
  return previous === undefined ? value : previous + smoothing * (value - previous)
}

function learnedFor(baseModelId: string): Learned {
  let learned = learnedByModel.get(baseModelId)
  if (!learned) {
    // Ids can come from users: bounded, the oldest goes first.
    if (learnedByModel.size >= maxModels) learnedByModel.delete(learnedByModel.keys().next().value as string)
    learned = nothingLearned()
    learnedByModel.set(baseModelId, learned)
  }
  return learned
}

function nothingLearned(): Learned {
  return {
    attempts: 0,
    inputBytesPerToken: defaultBytesPerToken,
    outputBytesPerToken: defaultBytesPerToken,
    firstContentMs: undefined,
    tokensPerSecond: undefined,
    lengths: new Float64Array(80),
    told: undefined,
  }
}

function count(lengths: Float64Array, tokens: number): void {
  const bucket = Math.min(lengths.length - 1, Math.ceil(4 * Math.log2(tokens)))
  lengths[bucket] = (lengths[bucket] ?? 0) + 1
}

function quantile(lengths: Float64Array, share: number): number | undefined {
  let total = 0
  for (const n of lengths) total += n
  if (total === 0) return undefined
  let below = 0
  for (let i = 0; i < lengths.length; i++) {
    below += lengths[i] ?? 0
    if (below >= share * total) return Math.floor(2 ** (i / 4))
  }
  return undefined
}
