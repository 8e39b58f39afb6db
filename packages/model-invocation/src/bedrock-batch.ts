/** Batch inference of Amazon Bedrock. */

export {
  awaitBatchJob,
  type BatchEnding,
  type BatchJob,
  type BatchJobOptions,
  type BatchRecord,
  submitBatchJob,
} from './batch/batch-job.ts'
export {
  type AnsweredRecord,
  type BatchResult,
  batchJobHandler,
  type FailedRecord,
  type ReadBatchJobOptions,
  readBatchJob,
} from './batch/batch-results.ts'
export type { JobHandlerOptions } from './batch/job-event.ts'
export { jobName } from './batch/job-name.ts'
export type { WaitOptions } from './batch/poll.ts'
