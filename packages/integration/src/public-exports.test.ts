import * as core from '@sluice/core'
import * as coreTesting from '@sluice/core/testing'
import * as costMeter from '@sluice/cost-meter'
import * as eventSources from '@sluice/event-sources'
import * as modelInvocation from '@sluice/model-invocation'
import * as bedrock from '@sluice/model-invocation/bedrock'
import * as bedrockBatch from '@sluice/model-invocation/bedrock-batch'
import * as sagemaker from '@sluice/model-invocation/sagemaker'
import * as sagemakerAsync from '@sluice/model-invocation/sagemaker-async'
import * as sagemakerBatch from '@sluice/model-invocation/sagemaker-batch'
import * as quotaThrottle from '@sluice/quota-throttle'
import * as store from '@sluice/store'
import * as dynamodb from '@sluice/store/dynamodb'
import * as redis from '@sluice/store/redis'
import * as storeTesting from '@sluice/store/testing'
import * as timeoutGuard from '@sluice/timeout-guard'
import * as tokenStream from '@sluice/token-stream'
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
      "answerSoFar",
      "attemptRecord",
      "attemptStages",
      "callModel",
      "callRecord",
      "callStages",
      "currentAttempt",
      "currentScope",
      "endsItself",
      "estimateInputTokens",
      "heldMsP99",
      "insideAttempt",
      "noUsage",
      "outcomesById",
      "policyMiddleware",
      "promptTokens",
      "readWith",
      "runInInvocation",
      "runInScope",
      "scopeHooks",
      "settleRecords",
      "sleep",
      "sourceHandler",
      "statisticsOf",
      "systemClock",
      "untilAborted",
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
      "cache",
      "circuitBreaker",
      "fallback",
      "modelInvocation",
      "modelStep",
      "retry",
      "runTools",
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
      "memoryBudgetStore",
      "memoryCacheStore",
      "memoryQuotaStore",
      "noBelief",
    ]
  `)
})

test('@sluice/store/dynamodb', () => {
  expect(names(dynamodb)).toMatchInlineSnapshot(`
    [
      "dynamoDBBreakerStore",
      "dynamoDBBudgetStore",
      "dynamoDBCacheStore",
      "dynamoDBQuotaStore",
      "tableDefinition",
      "timeToLive",
    ]
  `)
})

test('@sluice/store/testing', () => {
  expect(names(storeTesting)).toMatchInlineSnapshot(`
    [
      "breakerStoreConformance",
      "budgetStoreConformance",
      "cacheStoreConformance",
      "quotaStoreConformance",
    ]
  `)
})

test('sluice/local', () => {
  expect(names(local)).toMatchInlineSnapshot(`
    [
      "seededRandom",
      "startBedrock",
      "startLocal",
      "startSageMaker",
      "startStepFunctions",
      "systemClock",
    ]
  `)
})

test('@sluice/model-invocation/bedrock-batch', () => {
  expect(names(bedrockBatch)).toMatchInlineSnapshot(`
    [
      "awaitBatchJob",
      "batchJobHandler",
      "jobName",
      "readBatchJob",
      "submitBatchJob",
    ]
  `)
})

test('@sluice/model-invocation/sagemaker', () => {
  expect(names(sagemaker)).toMatchInlineSnapshot(`
    [
      "chat",
      "csv",
      "guarded",
      "json",
      "jsonLines",
      "sagemaker",
      "tgi",
    ]
  `)
})

test('@sluice/model-invocation/sagemaker-async', () => {
  expect(names(sagemakerAsync)).toMatchInlineSnapshot(`
    [
      "awaitInference",
      "inferenceEndings",
      "readInference",
      "submitInference",
    ]
  `)
})

test('@sluice/model-invocation/sagemaker-batch', () => {
  expect(names(sagemakerBatch)).toMatchInlineSnapshot(`
    [
      "awaitTransformJob",
      "jobName",
      "readTransformJob",
      "submitTransformJob",
      "transformJobHandler",
      "transformManifest",
    ]
  `)
})

test('@sluice/quota-throttle', () => {
  expect(names(quotaThrottle)).toMatchInlineSnapshot(`
    [
      "QuotaExceededError",
      "modelLimits",
      "quotaThrottle",
      "quotasFromServiceQuotas",
      "setQuotaMode",
    ]
  `)
})

test('@sluice/timeout-guard', () => {
  expect(names(timeoutGuard)).toMatchInlineSnapshot(`
    [
      "DeadlineExceededError",
      "timeoutGuard",
    ]
  `)
})

test('@sluice/token-stream', () => {
  expect(names(tokenStream)).toMatchInlineSnapshot(`
    [
      "cancelStream",
      "tokenStream",
    ]
  `)
})

test('@sluice/cost-meter', () => {
  expect(names(costMeter)).toMatchInlineSnapshot(`
    [
      "BudgetExceededError",
      "budget",
      "costMeter",
      "costOf",
      "lambdaPriceOf",
      "openTelemetrySink",
      "picoUsdOf",
      "priceBook",
      "priceOf",
      "usdText",
      "worstCaseOf",
    ]
  `)
})

test('@sluice/event-sources', () => {
  expect(names(eventSources)).toMatchInlineSnapshot(`
    [
      "PayloadTooLargeError",
      "dynamoDBStream",
      "eventBridge",
      "http",
      "kinesisStream",
      "s3Objects",
      "snsTopic",
      "sqsBatch",
      "stepFunctionsTask",
      "taskError",
      "waitForTaskToken",
    ]
  `)
})

test('@sluice/store/redis', () => {
  expect(names(redis)).toMatchInlineSnapshot(`
    [
      "redisBudgetStore",
      "redisQuotaStore",
    ]
  `)
})
