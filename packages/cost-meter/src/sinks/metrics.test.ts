import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics'
import { logMetrics } from '@aws-lambda-powertools/metrics/middleware'
import middy from '@middy/core'
import { currentScope, noUsage, runInScope, type Scope, type ScopeOptions } from '@sluice/core'
import { fakeModel } from '@sluice/core/testing'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { type CostMeterOptions, costMeter } from '../cost-meter.ts'
import { callAndRead, prices, warned, watchWarnings } from '../fixtures/testing.ts'

interface Line {
  readonly _aws: {
    readonly CloudWatchMetrics: {
      readonly Namespace: string
      readonly Dimensions: string[][]
      readonly Metrics: { readonly Name: string; readonly Unit: string }[]
    }[]
  }
  readonly sluice?: { readonly kind: string; readonly callId: string }
  readonly [key: string]: unknown
}

/** What goes to the log of the function, as CloudWatch reads it. */
function watchLines(): Line[] {
  const lines: Line[] = []
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    for (const line of String(chunk).split('\n')) if (line.startsWith('{')) lines.push(JSON.parse(line))
    return true
  })
  onTestFinished(() => spy.mockRestore())
  return lines
}

beforeEach(async () => {
  await prices.open('fake.model-v1')
  vi.stubEnv('AWS_LAMBDA_FUNCTION_MEMORY_SIZE', undefined)
  onTestFinished(() => {
    vi.unstubAllEnvs()
  })
})

function newMetrics(): Metrics {
  return new Metrics({ namespace: 'Shop', serviceName: 'triage', defaultDimensions: { stage: 'test' } })
}

async function metered(
  options: CostMeterOptions,
  scope: ScopeOptions,
  work: (scope: Scope) => Promise<void>,
): Promise<void> {
  const meter = costMeter({ prices, ...options })
  await runInScope(scope, async (opened) => {
    meter.watch(opened)
    await work(opened)
  })
}

test('a line for each record: few metrics and dimensions, and the whole record beside them', async () => {
  const lines = watchLines()
  const dimensions = ['model', 'tenant', 'feature', 'absent']
  const scope = { requestId: 'r1', tenant: 'acme', tags: { feature: 'triage', user: 'u-93' } }
  await metered({ metrics: newMetrics(), dimensions }, scope, async (opened) => {
    const usage = { ...noUsage, inputTokens: 10, outputTokens: 5, cacheReadTokens: 1000 }
    await callAndRead(opened, fakeModel({ usage }).request())
  })
  expect(lines).toMatchObject([
    {
      _aws: {
        CloudWatchMetrics: [
          { Namespace: 'Shop', Dimensions: [['service', 'stage', 'model', 'tenant', 'feature']] },
        ],
      },
      service: 'triage',
      stage: 'test',
      model: 'fake.model-v1',
      tenant: 'acme',
      feature: 'triage',
      CostUsd: 0.000405,
      AtMostCostUsd: 0.000405,
      UnpricedAttempts: 0,
      InputTokens: 10,
      OutputTokens: 5,
      CacheReadTokens: 1000,
      sluice: { kind: 'attempt', requestId: 'r1', tags: { user: 'u-93' }, cost: { usd: '0.000405' } },
    },
    {
      Calls: 1,
      FailedCalls: 0,
      CallDuration: expect.any(Number),
      CallWaited: 0,
      sluice: { kind: 'call', requestId: 'r1', cost: { usd: '0.000405' } },
    },
  ])
  for (const { _aws, ...values } of lines) {
    const [{ Metrics: defined = [], Dimensions: [names = []] = [] } = {}] = _aws.CloudWatchMetrics
    expect(defined.every(({ Name }) => typeof values[Name] === 'number')).toBe(true)
    expect(names.every((name) => typeof values[name] === 'string')).toBe(true)
  }
})

test('what is unpriced has no cost, and is counted', async () => {
  const lines = watchLines()
  await metered({ metrics: newMetrics() }, {}, (scope) =>
    callAndRead(scope, fakeModel().request({ modelId: 'fake.unknown', baseModelId: 'fake.unknown' })),
  )
  expect(lines[0]).toMatchObject({ model: 'fake.unknown', UnpricedAttempts: 1, InputTokens: 10 })
  expect(lines[0]).not.toHaveProperty('CostUsd')
})

test.each(['meter first', 'metrics first'])(
  "the user's own metrics are neither published nor marked by ours, %s",
  async (order) => {
    const lines = watchLines()
    const metrics = newMetrics()
    const meter = costMeter({ metrics, prices, region: 'us-east-1' })
    const both = [meter, logMetrics(metrics, { defaultDimensions: { team: 'a' } })]
    const handler = middy()
      .use(order === 'meter first' ? both : both.toReversed())
      .handler(async () => {
        metrics.addMetric('Before', MetricUnit.Count, 1)
        metrics.addMetadata('mine', 'yes')
        await callAndRead(currentScope() as Scope, fakeModel().request())
        metrics.addMetric('After', MetricUnit.Count, 2)
      })
    const context = {
      awsRequestId: 'r1',
      functionName: 'it',
      memoryLimitInMB: '512',
      getRemainingTimeInMillis: () => 9_000,
    } as never
    await handler({}, context)
    await handler({}, context)

    const theirs = lines.filter((line) => !line.sluice)
    const ours = lines.filter((line) => line.sluice)
    expect(theirs).toHaveLength(2)
    for (const line of theirs) {
      expect(line).toMatchObject({ Before: 1, After: 2, mine: 'yes', team: 'a' })
      expect(line).not.toHaveProperty('model')
    }
    expect(ours.map(({ sluice }) => sluice?.kind)).toEqual([
      ...['attempt', 'call', 'invocation'],
      ...['attempt', 'call', 'invocation'],
    ])
    for (const line of ours) {
      expect(line).toMatchObject({ service: 'triage', stage: 'test', team: 'a' })
      expect(line).not.toHaveProperty('mine')
    }
    expect(ours[2]).toMatchObject({
      LambdaCostUsd: expect.any(Number),
      LambdaWaitingCostUsd: expect.any(Number),
    })
    expect(ours[2]?.LambdaCostUsd).toBeGreaterThan(0)
  },
)

test('with more dimensions of the user than fit beside ours the line comes without ours', async () => {
  const lines = watchLines()
  const defaultDimensions = Object.fromEntries(Array.from({ length: 27 }, (_, i) => [`d${i}`, 'x']))
  const metrics = new Metrics({ namespace: 'Shop', serviceName: 'triage', defaultDimensions })
  const warnings = watchWarnings()
  await metered({ metrics, dimensions: ['model', 'operation'] }, {}, async (scope) => {
    await callAndRead(scope, fakeModel().request())
    await callAndRead(scope, fakeModel().request())
  })
  expect(lines.map(({ sluice }) => sluice?.kind)).toEqual(['attempt', 'call', 'attempt', 'call'])
  expect(lines[2]?._aws.CloudWatchMetrics[0]?.Dimensions[0]).toHaveLength(28)
  expect(lines[2]?.InputTokens).toBe(10)
  await warned()
  expect(warnings).toContainEqual(expect.stringMatching(/"metricsSink" failed \(RangeError\)/))
})
