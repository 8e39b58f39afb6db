/** Prompt caching as the service does it: what lies before a cache point is written once and then read. */
import { createHash } from 'node:crypto'
import type { PromptPart } from './dialect.ts'
import type { PromptTokens } from './request.ts'
import { countTokens } from './tokens.ts'

/** A prompt, counted. */
export interface MeasuredPrompt extends PromptTokens {
  /** Writes what is new to the cache; called once the request is admitted. */
  commit(): void
}

/** Knows the prompts that are cached. */
export interface PromptCache {
  measure(modelId: string, prompt: readonly PromptPart[]): MeasuredPrompt
  clear(): void
}

/** A prefix shorter than this is not cached. */
const LEAST_TOKENS = 1024
const LIFETIME_MS = { '5m': 300_000, '1h': 3_600_000 }

/** An empty prompt cache. */
export function promptCache(now: () => number): PromptCache {
  const expiry = new Map<string, number>()
  return {
    clear: () => expiry.clear(),
    measure(modelId, prompt) {
      const points = prompt.some((part) => typeof part === 'object')
      const hash = points ? createHash('sha1').update(modelId) : undefined
      const touched: { key: string; lifetimeMs: number }[] = []
      const cacheWrites: PromptTokens['cacheWrites'] = []
      let total = 0
      let cached = 0
      let cacheReadTokens = 0
      for (const part of prompt) {
        if (typeof part !== 'object') {
          total += typeof part === 'string' ? countTokens(part) : part
          hash?.update(`\n${part}`)
        } else if (total >= LEAST_TOKENS && hash) {
          const { ttl } = part.cachePoint
          const key = hash.copy().digest('base64')
          touched.push({ key, lifetimeMs: LIFETIME_MS[ttl] })
          if ((expiry.get(key) ?? 0) > now()) {
            // A later hit covers all that lies before it, also what an earlier point would have written.
            cacheWrites.length = 0
            cacheReadTokens = total
          } else if (total > cached) cacheWrites.push({ ttl, inputTokens: total - cached })
          cached = total
        }
      }
      return {
        inputTokens: total - cached,
        cacheReadTokens,
        cacheWriteTokens: cached - cacheReadTokens,
        cacheWrites,
        commit() {
          const time = now()
          for (const [key, end] of expiry) if (end <= time) expiry.delete(key)
          for (const { key, lifetimeMs } of touched) expiry.set(key, time + lifetimeMs)
        },
      }
    },
  }
}
