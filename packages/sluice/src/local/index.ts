export type { JobFault } from './bedrock/batch-job.ts'
export type { BatchJobsOptions, LocalBatchJobs } from './bedrock/batch-jobs.ts'
export { type Clock, seededRandom, systemClock } from './bedrock/clock.ts'
export type { Counters, RequestRecord, Tally } from './bedrock/counters.ts'
export { type BedrockOptions, type LocalBedrock, startBedrock } from './bedrock/endpoint.ts'
export type { Fault, FaultMatch, FaultRule, FaultSubject } from './bedrock/faults.ts'
export type { LocalGuardrail } from './bedrock/guardrail.ts'
export type { Latency } from './bedrock/latency.ts'
export type { ModelLimits } from './bedrock/models.ts'
export type { QuotaRule } from './bedrock/quota.ts'
export type { LocalModel, ModelRequest, Operation, Piece, ServiceOperation } from './bedrock/request.ts'
export type { BucketDefinition, FailedNotification, LocalBucket } from './bucket.ts'
export type { EventSourceMappingCounters, EventSourceMappingOptions } from './event-source-mapping.ts'
export type { JsonServiceControl, JsonServiceOptions } from './json-service.ts'
export type { ManagedInstances } from './lambda/environment.ts'
export type {
  InvokeOptions,
  InvokeResult,
  InvokeStreamOptions,
  LocalFunction,
  LogLine,
  SandboxInfo,
  StreamResult,
} from './lambda/function.ts'
export type { FunctionDefinition } from './lambda/function-definition.ts'
export type { FunctionError, InvocationEnd } from './lambda/invocation.ts'
export type { SandboxKills, Victim } from './lambda/kills.ts'
export type { ResponseHead, ResponseStream, WhenReaderLeaves } from './lambda/response-stream.ts'
export type { SandboxState } from './lambda/sandbox.ts'
export type { LocalQueue, OutgoingMessage, QueueDefinition } from './queue.ts'
export type { AsyncDefinition } from './sagemaker/async-inference.ts'
export type {
  Container,
  ContainerAnswer,
  ContainerFunction,
  ContainerRequest,
} from './sagemaker/containers.ts'
export {
  type EndpointDefinition,
  type LocalSageMaker,
  type SageMakerOptions,
  startSageMaker,
} from './sagemaker/endpoint.ts'
export { type Local, type LocalOptions, startLocal } from './start-local.ts'
export {
  type LocalStepFunctions,
  type StepFunctionsOptions,
  startStepFunctions,
} from './step-functions/endpoint.ts'
export type { TaskOptions, TaskResult, WaitingTask } from './step-functions/tasks.ts'
export type { StoredMessage } from './storage-server.ts'
