/** Batch Transform of Amazon SageMaker. */

export type { JobHandlerOptions } from './batch/job-event.ts'
export { jobName } from './batch/job-name.ts'
export type { WaitOptions } from './batch/poll.ts'
export {
  awaitTransformJob,
  submitTransformJob,
  type TransformEnding,
  type TransformJob,
  type TransformJobOptions,
  transformManifest,
} from './sagemaker/transform-job.ts'
export { readTransformJob, type TransformResult, transformJobHandler } from './sagemaker/transform-results.ts'
