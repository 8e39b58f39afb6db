/** The shared words of Sluice. Middlewares meet here and never import each other. */

export type { Attempt } from './attempt.ts'
export { endsItself } from './body.ts'
export {
  type AttemptCall,
  type AttemptContext,
  type Call,
  type CallContext,
  type CallOptions,
  callModel,
  type ModelCall,
  type ModelRequest,
  type ModelResponse,
  type Seen,
  type Sent,
  type Transport,
} from './call.ts'
export { abortError, type Clock, sleep, systemClock, untilAborted } from './clock.ts'
export {
  type AnswerIssue,
  CallAbortedError,
  InvalidAnswerError,
  InvalidEventError,
  ModelError,
  ModelThrottledError,
  ScopeEndedError,
  SluiceError,
  type SluiceErrorCode,
  type SluiceErrorOptions,
  StreamInterruptedError,
  ToolLimitError,
  TransportError,
} from './errors.ts'
export {
  type MiddyHooks,
  type MiddyRequest,
  policyMiddleware,
  runInInvocation,
  type ScopeHooksOptions,
  scopeHooks,
} from './middleware.ts'
export type { CallOutcome, Outcome, Status, Terms } from './outcome.ts'
export {
  type AttemptPolicy,
  type AttemptStage,
  attemptStages,
  type CallPolicy,
  type CallStage,
  callStages,
  type Policy,
  type Stage,
} from './policy.ts'
export { type AttemptRecord, attemptRecord, type CallRecord, callRecord } from './records.ts'
export {
  currentAttempt,
  currentScope,
  insideAttempt,
  runInScope,
  type Scope,
  type ScopeOptions,
} from './scope.ts'
export { type SettleOptions, settleRecords } from './settle-records.ts'
export {
  type FinishContext,
  type FulfilledRecord,
  outcomesById,
  type RecordOutcome,
  type Source,
  type SourceRecord,
  type UnfulfilledRecord,
} from './source.ts'
export {
  answerSoFar,
  type RecordContext,
  type SourceHandler,
  type SourceHandlerOptions,
  sourceHandler,
} from './source-handler.ts'
export { readWith, type StandardIssue, type StandardResult, type StandardSchema } from './standard-schema.ts'
export { estimateInputTokens, heldMsP99, type ModelStatistics, statisticsOf } from './statistics.ts'
export { addUsage, noUsage, promptTokens, type Usage } from './usage.ts'
