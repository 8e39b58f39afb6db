/** Records as metrics in CloudWatch's embedded format, by an instance of Powertools' Metrics that is the meter's own. */

import type { AttemptCostRecord, CallCostRecord, CostRecord, InvocationCostRecord } from '../cost-record.ts'
import type { CostSink } from './cost-sink.ts'

/** What is needed of Powertools' `Metrics`. */
export interface PowertoolsMetrics {
  singleMetric(): PowertoolsMetrics
  serializeMetrics(): object
  addMetric(name: string, unit: 'Count' | 'Milliseconds' | 'None', value: number): unknown
  addDimensions(dimensions: Record<string, string>): unknown
  addMetadata(key: string, value: unknown): unknown
  publishStoredMetrics(): unknown
}

type Values = readonly (readonly [name: string, unit: 'Count' | 'Milliseconds' | 'None', value: number])[]

/** Powertools' limit: thirty, less one for the service. */
const maxDimensions = 29

const metricNames = [
  'CostUsd',
  'AtMostCostUsd',
  'InputTokens',
  'OutputTokens',
  'CacheReadTokens',
  'CacheWriteTokens',
  'UnpricedAttempts',
  'Calls',
  'FailedCalls',
  'CachedCalls',
  'ShedCalls',
  'CallDuration',
  'CallWaited',
  'LambdaCostUsd',
  'LambdaWaitingCostUsd',
]

/** @throws TypeError when they cannot be dimensions of a metric */
export function checkDimensions(dimensions: readonly string[]): void {
  if (new Set(dimensions).size > maxDimensions) {
    throw new TypeError(
      `costMeter: there are ${dimensions.length} dimensions. CloudWatch takes ${maxDimensions} and the service.`,
    )
  }
  for (const name of dimensions) {
    if (typeof name !== 'string' || !/^[\x21-\x7e][\x20-\x7e]{0,249}$/.test(name) || name.startsWith(':')) {
      throw new TypeError(
        `costMeter: ${JSON.stringify(name)} can be no dimension. Name model, provider, operation, tenant or a tag, ` +
          'in ASCII.',
      )
    }
    if ([...metricNames, 'sluice', '_aws', 'service'].includes(name)) {
      throw new TypeError(`costMeter: the dimension "${name}" is taken. Name the tag differently.`)
    }
  }
}

export function toMetrics(metrics: PowertoolsMetrics, dimensions: readonly string[]): CostSink {
  let own: PowertoolsMetrics | undefined

  return function metricsSink(record) {
    // Made when first needed: the user's middleware has set its default dimensions by then.
    own ??= siblingOf(metrics)
    // All in one go: between two statements of the same function no other invocation comes in.
    const values = valuesOf(record)
    // A line needs a metric, and outside of Lambda an invocation has none.
    if (values.length === 0) return
    for (const [name, unit, value] of values) own.addMetric(name, unit, value)
    own.addMetadata('sluice', record)
    const named = dimensionsOf(record, dimensions)
    try {
      if (Object.keys(named).length > 0) own.addDimensions(named)
    } finally {
      // With too many default dimensions beside ours, better a line without ours than none.
      own.publishStoredMetrics()
    }
  }
}

/**
 * An instance of the same class, namespace and default dimensions: the user's own holds metrics that are not ours to
 * publish, and is published by others when our streams are still running.
 */
function siblingOf(metrics: PowertoolsMetrics): PowertoolsMetrics {
  const { _aws, ...values } = metrics.singleMetric().serializeMetrics() as {
    _aws: { CloudWatchMetrics: { Namespace: string; Dimensions: string[][] }[] }
    [dimension: string]: unknown
  }
  const { Namespace: namespace, Dimensions: [names = []] = [] } = _aws.CloudWatchMetrics[0] ?? {}
  const defaultDimensions = Object.fromEntries(names.map((name) => [name, values[name]]))
  const Own = metrics.constructor as new (options: object) => PowertoolsMetrics
  return new Own({ namespace, serviceName: defaultDimensions.service, defaultDimensions })
}

function dimensionsOf(record: CostRecord, names: readonly string[]): Record<string, string> {
  const known: Record<string, string | undefined> = { ...record.tags, tenant: record.tenant }
  if (record.kind !== 'invocation') {
    Object.assign(known, {
      model: record.baseModelId,
      provider: record.provider,
      operation: record.operation,
    })
  }
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = known[name]?.trim().slice(0, 1024)
      return value ? [[name, value]] : []
    }),
  )
}

function valuesOf(record: CostRecord): Values {
  if (record.kind === 'attempt') return ofAttempt(record)
  return record.kind === 'call' ? ofCall(record) : ofInvocation(record)
}

function ofAttempt({ cost, usage }: AttemptCostRecord): Values {
  const { inputTokens, outputTokens, cacheReadTokens, cacheWrite5mTokens, cacheWrite1hTokens } = usage
  return [
    ...(cost.priced
      ? ([
          ['CostUsd', 'None', Number(cost.usd)],
          ['AtMostCostUsd', 'None', Number(cost.atMostUsd ?? cost.usd)],
        ] as const)
      : []),
    ['UnpricedAttempts', 'Count', cost.priced ? 0 : 1],
    ['InputTokens', 'Count', inputTokens],
    ['OutputTokens', 'Count', outputTokens],
    ...aboveZero('CacheReadTokens', cacheReadTokens),
    ...aboveZero('CacheWriteTokens', cacheWrite5mTokens + cacheWrite1hTokens),
  ]
}

function ofCall({ status, cached, shed, durationMs, waitedMs }: CallCostRecord): Values {
  const waited = Object.values(waitedMs).reduce((sum, ms) => sum + ms, 0)
  return [
    ['Calls', 'Count', 1],
    ['FailedCalls', 'Count', status === 'failed' ? 1 : 0],
    ...aboveZero('CachedCalls', cached ? 1 : 0),
    ...aboveZero('ShedCalls', shed ? 1 : 0),
    ['CallDuration', 'Milliseconds', durationMs],
    ['CallWaited', 'Milliseconds', waited],
  ]
}

function ofInvocation({ lambda }: InvocationCostRecord): Values {
  const { usd, waitingUsd } = lambda
  if (usd === undefined || waitingUsd === undefined) return []
  return [
    ['LambdaCostUsd', 'None', Number(usd)],
    ['LambdaWaitingCostUsd', 'None', Number(waitingUsd)],
  ]
}

function aboveZero(name: string, value: number): Values {
  return value > 0 ? [[name, 'Count', value]] : []
}
