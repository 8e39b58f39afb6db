/** Event sources for Middy handlers: queues, buckets, state machines and HTTP, each with what it can and cannot hand back. */

export type { AnsweringSource, ErrorRequest, HandlerSource } from './as-middleware.ts'
export { type EventBridgeOptions, eventBridge, type SnsTopicOptions, snsTopic } from './async-events.ts'
export type { EventReport, RefusedRecord } from './event-report.ts'
export { type HttpEvent, type HttpOptions, type HttpResponse, http } from './http.ts'
export type { Offloaded, OffloadOptions } from './offload.ts'
export type { BridgeEvent } from './parse/event-bridge-event.ts'
export type { HttpRequest } from './parse/http-event.ts'
export type { S3ObjectNotice } from './parse/s3-event.ts'
export type { SnsNotification } from './parse/sns-event.ts'
export { PayloadTooLargeError } from './payload-too-large-error.ts'
export type { Problem } from './problem.ts'
export { type S3Location, type S3ObjectsEvent, type S3ObjectsOptions, s3Objects } from './s3-objects.ts'
export type { S3Client, S3Object } from './s3-reader.ts'
export { type SqsBatchOptions, sqsBatch } from './sqs-batch.ts'
export type { SqsDeferralOptions } from './sqs-deferral.ts'
export type { SqsClient } from './sqs-queue.ts'
export {
  type StepFunctionsTaskOptions,
  stepFunctionsTask,
  type TaskErrorMessage,
  taskError,
} from './step-functions-task.ts'
export {
  type DynamoDBStreamOptions,
  dynamoDBStream,
  type KinesisStreamOptions,
  kinesisStream,
} from './streams.ts'
export { type TokenEvent, type WaitForTaskTokenOptions, waitForTaskToken } from './wait-for-task-token.ts'
