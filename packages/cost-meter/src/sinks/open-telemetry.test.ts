import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { ModelError, noUsage, runInScope } from '@sluice/core'
import { fakeModel } from '@sluice/core/testing'
import { expect, onTestFinished, test } from 'vitest'
import { costMeter } from '../cost-meter.ts'
import { callAndRead, prices } from '../fixtures/testing.ts'
import { openTelemetrySink } from './open-telemetry.ts'

test('attempts in the words of the GenAI conventions, by the real SDK', async () => {
  await prices.open('fake.model-v1')
  const metricExporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter: metricExporter, exportIntervalMillis: 60_000 })
  const meterProvider = new MeterProvider({ readers: [reader] })
  const spanExporter = new InMemorySpanExporter()
  const tracerProvider = new TracerProvider({
    spanProcessors: [new SimpleSpanProcessor({ exporter: spanExporter })],
  })
  onTestFinished(async () => {
    await meterProvider.shutdown()
    await tracerProvider.shutdown()
  })
  const sink = openTelemetrySink({
    meter: meterProvider.getMeter('sluice'),
    tracer: tracerProvider.getTracer('sluice'),
  })
  const meter = costMeter({ sinks: [sink], prices })
  const usage = { ...noUsage, inputTokens: 10, outputTokens: 5, cacheReadTokens: 90 }
  const model = fakeModel({ usage }, { error: new ModelError('no', { code: 'model_failed' }) })
  await runInScope({ tenant: 'acme', tags: { feature: 'triage' } }, async (scope) => {
    meter.watch(scope)
    await callAndRead(scope, model.request({ provider: 'fake' }))
    await callAndRead(scope, model.request()).catch(() => {})
  })
  await meterProvider.forceFlush()

  const metrics = metricExporter.getMetrics().at(-1)?.scopeMetrics[0]?.metrics ?? []
  const pointsOf = (name: string) => metrics.find(({ descriptor }) => descriptor.name === name)?.dataPoints
  const common = {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'fake',
    'gen_ai.request.model': 'fake.model-v1',
    'sluice.tenant': 'acme',
    'sluice.tag.feature': 'triage',
  }
  const failed = { ...common, 'error.type': 'model_failed' }
  expect(pointsOf('gen_ai.client.token.usage')).toMatchObject([
    { attributes: { ...common, 'gen_ai.token.type': 'input' }, value: { sum: 100, count: 1 } },
    { attributes: { ...common, 'gen_ai.token.type': 'output' }, value: { sum: 5, count: 1 } },
    { attributes: { ...failed, 'gen_ai.token.type': 'input' }, value: { sum: 0 } },
    { attributes: { ...failed, 'gen_ai.token.type': 'output' }, value: { sum: 0 } },
  ])
  expect(pointsOf('gen_ai.client.operation.duration')).toMatchObject([
    { attributes: common, value: { count: 1 } },
    { attributes: failed, value: { count: 1 } },
  ])
  expect(pointsOf('sluice.cost')).toMatchObject([
    { attributes: common, value: 0.000132 },
    { attributes: failed, value: 0 },
  ])

  const [answered, refused] = spanExporter.getFinishedSpans()
  expect(answered).toMatchObject({
    name: 'chat fake.model-v1',
    kind: 2,
    attributes: {
      ...common,
      'gen_ai.usage.input_tokens': 100,
      'gen_ai.usage.output_tokens': 5,
      'gen_ai.usage.cache_read.input_tokens': 90,
      'gen_ai.request.max_tokens': 100,
      'gen_ai.response.finish_reasons': ['end_turn'],
      'sluice.cost_usd': '0.000132',
    },
    status: { code: 0 },
  })
  expect(refused).toMatchObject({ attributes: failed, status: { code: 2 } })
})
