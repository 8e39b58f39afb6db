import * as core from '@sluice/core'
import * as coreTesting from '@sluice/core/testing'
import * as modelInvocation from '@sluice/model-invocation'
import * as bedrock from '@sluice/model-invocation/bedrock'
import * as store from '@sluice/store'
import * as dynamodb from '@sluice/store/dynamodb'
import * as storeTesting from '@sluice/store/testing'
import * as local from 'sluice/local'
import { expect, test } from 'vitest'

const names = (module: object) => Object.keys(module).toSorted()

// Whoever changes one of these lists changes what users can rely on: it belongs into the release notes.
test('@sluice/core', () => {
  expect(names(core)).toMatchInlineSnapshot(`
    [
      "CallAbortedError",
      "InvalidAnswerError",
      "InvalidEventError",
      "ModelError",
      "ModelThrottledError",
      "ScopeEndedError",
      "SluiceError",
      "StreamInterruptedError",
      "ToolLimitError",
      "TransportError",
      "abortError",
      "addUsage",
      "attemptStages",
      "callModel",
      "callStages",
      "currentAttempt",
      "currentScope",
      "estimateInputTokens",
      "insideAttempt",
      "noUsage",
      "outcomesById",
      "policyMiddleware",
      "promptTokens",
      "runInInvocation",
      "runInScope",
      "scopeHooks",
      "settleRecords",
      "sleep",
      "statisticsOf",
      "systemClock",
    ]
  `)
})

test('@sluice/core/testing', () => {
  expect(names(coreTesting)).toMatchInlineSnapshot(`
    [
      "fakeClock",
      "fakeModel",
      "providerConformance",
      "resetStatistics",
      "sourceConformance",
    ]
  `)
})

test('@sluice/model-invocation', () => {
  expect(names(modelInvocation)).toMatchInlineSnapshot(`
    [
      "HttpError",
      "cache",
      "circuitBreaker",
      "fallback",
      "httpSource",
      "modelInvocation",
      "modelStep",
      "retry",
      "runTools",
      "sqsSource",
      "structured",
      "tool",
    ]
  `)
})

test('@sluice/model-invocation/bedrock', () => {
  expect(names(bedrock)).toMatchInlineSnapshot(`
    [
      "bedrock",
      "bedrockEmbedding",
      "guarded",
    ]
  `)
})

test('@sluice/store', () => {
  expect(names(store)).toMatchInlineSnapshot(`
    [
      "memoryBreakerStore",
      "memoryCacheStore",
    ]
  `)
})

test('@sluice/store/dynamodb', () => {
  expect(names(dynamodb)).toMatchInlineSnapshot(`
    [
      "dynamoDBBreakerStore",
      "dynamoDBCacheStore",
      "tableDefinition",
      "timeToLive",
    ]
  `)
})

test('@sluice/store/testing', () => {
  expect(names(storeTesting)).toMatchInlineSnapshot(`
    [
      "breakerStoreConformance",
      "cacheStoreConformance",
    ]
  `)
})

test('sluice/local', () => {
  expect(names(local)).toMatchInlineSnapshot(`
    [
      "seededRandom",
      "startBedrock",
      "startLocal",
      "systemClock",
    ]
  `)
})
