/** Asynchronous endpoints of Amazon SageMaker. */

export type { WaitOptions } from './batch/poll.ts'
export {
  type AsyncInference,
  awaitInference,
  type InferenceEnding,
  inferenceEndings,
  type ReadInferenceOptions,
  readInference,
  type SubmitInferenceOptions,
  submitInference,
} from './sagemaker/async-inference.ts'
