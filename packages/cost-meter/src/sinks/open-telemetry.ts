/** Records in the words of OpenTelemetry's conventions for generative AI. */

import { promptTokens } from '@sluice/core'
import type { AttemptCostRecord } from '../cost-record.ts'
import type { CostSink } from './cost-sink.ts'

type Attributes = Record<string, string | number | string[]>

/** What is needed of a `Meter` of `@opentelemetry/api`. */
export interface OpenTelemetryMeter {
  createHistogram(
    name: string,
    options: { unit: string; description: string; advice?: { explicitBucketBoundaries: number[] } },
  ): { record(value: number, attributes: Attributes): void }
  createCounter(
    name: string,
    options: { unit: string; description: string },
  ): { add(value: number, attributes: Attributes): void }
}

/** What is needed of a `Tracer` of `@opentelemetry/api`. */
export interface OpenTelemetryTracer {
  startSpan(
    name: string,
    options: { kind: number; startTime: number; attributes: Attributes },
  ): { setStatus(status: { code: number }): unknown; end(endTime: number): void }
}

export interface OpenTelemetrySinkOptions {
  /** `metrics.getMeter('sluice')`: for token usage, duration, and cost. Default: no metrics. */
  readonly meter?: OpenTelemetryMeter
  /**
   * `trace.getTracer('sluice')`: for a span of each attempt. Leave it out where the SDK is instrumented, or each attempt
   * has two. Default: no spans.
   */
  readonly tracer?: OpenTelemetryTracer
}

/**
 * Attempts as metrics and spans of OpenTelemetry, by the API that you give: `gen_ai.client.token.usage`,
 * `gen_ai.client.operation.duration`, spans named after operation and model, and `sluice.cost`, for which there is no
 * convention.
 *
 * @example
 * ```ts
 * import type { Meter } from '@opentelemetry/api'
 * import { costMeter, openTelemetrySink } from '@sluice/cost-meter'
 *
 * export const meteredBy = (meter: Meter) => costMeter({ sinks: [openTelemetrySink({ meter })] })
 * ```
 */
export function openTelemetrySink({ meter, tracer }: OpenTelemetrySinkOptions): CostSink {
  const tokens = meter?.createHistogram('gen_ai.client.token.usage', {
    unit: '{token}',
    description: 'Number of input and output tokens used.',
    advice: { explicitBucketBoundaries: powers(1, 4, 14) },
  })
  const duration = meter?.createHistogram('gen_ai.client.operation.duration', {
    unit: 's',
    description: 'GenAI operation duration.',
    advice: { explicitBucketBoundaries: powers(0.01, 2, 14) },
  })
  const cost = meter?.createCounter('sluice.cost', {
    unit: '{USD}',
    description: 'Cost of model attempts that have a price.',
  })
  const unpriced = meter?.createCounter('sluice.unpriced', {
    unit: '{attempt}',
    description: 'Model attempts without a price.',
  })

  return function openTelemetry(record) {
    if (record.kind !== 'attempt') return
    const attributes = attributesOf(record)
    tokens?.record(promptTokens(record.usage), { ...attributes, 'gen_ai.token.type': 'input' })
    tokens?.record(record.usage.outputTokens, { ...attributes, 'gen_ai.token.type': 'output' })
    duration?.record((record.serviceMs ?? record.durationMs) / 1000, attributes)
    if (record.cost.priced) cost?.add(Number(record.cost.usd), attributes)
    else unpriced?.add(1, attributes)
    if (!tracer) return
    const startTime = record.startedAtMs
    const name = `${attributes['gen_ai.operation.name']} ${record.modelId}`
    const span = tracer.startSpan(name, {
      kind: client,
      startTime,
      attributes: { ...attributes, ...spanAttributesOf(record) },
    })
    if (record.status === 'failed') span.setStatus({ code: failed })
    span.end(startTime + record.durationMs)
  }
}

/** `SpanKind.CLIENT` and `SpanStatusCode.ERROR`. */
const client = 2
const failed = 2

function attributesOf({
  provider,
  modelId,
  operation,
  status,
  error,
  tenant,
  tags,
}: AttemptCostRecord): Attributes {
  const attributes: Attributes = {
    'gen_ai.operation.name': /embed/i.test(`${modelId} ${operation}`) ? 'embeddings' : 'chat',
    'gen_ai.provider.name': providers[provider] ?? provider,
    'gen_ai.request.model': modelId,
  }
  if (status === 'failed') attributes['error.type'] = error?.code ?? error?.name ?? '_OTHER'
  if (tenant !== undefined) attributes['sluice.tenant'] = tenant
  for (const [name, value] of Object.entries(tags)) attributes[`sluice.tag.${name}`] = value
  return attributes
}

function spanAttributesOf({ usage, cost, maxTokens, stopReason, attempt }: AttemptCostRecord): Attributes {
  const written = usage.cacheWrite5mTokens + usage.cacheWrite1hTokens
  return {
    // The convention counts the tokens of the cache as input, too.
    'gen_ai.usage.input_tokens': promptTokens(usage),
    'gen_ai.usage.output_tokens': usage.outputTokens,
    ...(usage.cacheReadTokens > 0 && { 'gen_ai.usage.cache_read.input_tokens': usage.cacheReadTokens }),
    ...(written > 0 && { 'gen_ai.usage.cache_creation.input_tokens': written }),
    ...(maxTokens !== undefined && { 'gen_ai.request.max_tokens': maxTokens }),
    ...(stopReason !== undefined && { 'gen_ai.response.finish_reasons': [stopReason] }),
    ...(cost.priced ? { 'sluice.cost_usd': cost.usd } : { 'sluice.unpriced': cost.reason }),
    'sluice.attempt': attempt,
  }
}

const providers: Readonly<Record<string, string>> = { bedrock: 'aws.bedrock', sagemaker: 'aws.sagemaker' }

function powers(first: number, factor: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first * factor ** i)
}
