import type { AttemptRecord } from '@sluice/core'
import type { Priceable } from '@sluice/cost-meter'

/** What an attempt leaves behind, and how it is priced. */
export type CostedRecord = AttemptRecord & Priceable

/** Models that all pricers claim, with the buckets that all have a price for. */
const models: readonly { modelId: string; caches: boolean }[] = [
  { modelId: 'anthropic.claude-sonnet-4-20250514-v1:0', caches: true },
  { modelId: 'anthropic.claude-3-7-sonnet-20250219-v1:0', caches: true },
  { modelId: 'anthropic.claude-3-haiku-20240307-v1:0', caches: false },
  { modelId: 'amazon.nova-lite-v1:0', caches: false },
  { modelId: 'amazon.nova-pro-v1:0', caches: false },
  { modelId: 'meta.llama3-3-70b-instruct-v1:0', caches: false },
]

/** Distinct records; the same count gives the same records. */
export function makeRecords(count: number): CostedRecord[] {
  return Array.from({ length: count }, (_, index): CostedRecord => {
    const { modelId, caches } = models[index % models.length]!
    const startedAtMs = Date.parse('2026-08-01') + index * 997
    return {
      callId: `call-${index}`,
      scopeId: `scope-${index >> 2}`,
      requestId: `8f6c1f0a-5b7e-4a0e-9d0c-${String(index).padStart(12, '0')}`,
      tenant: `tenant-${index % 17}`,
      tags: { feature: 'classify', environment: 'production' },
      startedAtMs,
      provider: 'bedrock',
      modelId,
      baseModelId: modelId,
      operation: 'Converse',
      streaming: false,
      inputBytes: 4_000 + (index % 901),
      estimatedInputTokens: 1_000 + (index % 225),
      maxTokens: 300,
      attempt: 1,
      status: 'answered',
      usage: {
        inputTokens: 900 + ((index * 31) % 601),
        outputTokens: 20 + ((index * 17) % 281),
        cacheReadTokens: caches ? (index * 13) % 4_001 : 0,
        cacheWrite5mTokens: caches ? (index * 7) % 301 : 0,
        cacheWrite1hTokens: 0,
      },
      estimated: false,
      partial: false,
      sent: true,
      stopReason: 'end_turn',
      durationMs: 840 + (index % 77),
      serviceMs: 812 + (index % 77),
      atMs: startedAtMs,
      region: 'us-east-1',
    }
  })
}
