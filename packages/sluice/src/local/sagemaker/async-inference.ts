/** InvokeEndpointAsync: the answer is written to the bucket, and a notification says where. */
import { randomUUID } from 'node:crypto'
import type { S3Client } from '@aws-sdk/client-s3'
import { invalid, ServiceError } from '../bedrock/service-error.ts'
import { readObject, s3Location, writeObject } from '../s3-objects.ts'
import type { Container, ContainerAnswer, ContainerRequest } from './containers.ts'

/** Where the answers of an endpoint go. */
export interface AsyncDefinition<FunctionName extends string = string> {
  /** An `s3://` URI; names of answers are put behind it. */
  readonly output: string
  /** Where failures go. @default the same */
  readonly failures?: string
  /** Told of every end, as by the topics of AWS. */
  readonly function?: FunctionName
}

/** @internal */
export interface AsyncPorts {
  readonly s3: S3Client | undefined
  run(container: Container, request: ContainerRequest): Promise<Required<ContainerAnswer>>
  /** Hands a notification to the function of the definition. */
  notify(target: string, message: object): Promise<void>
}

/** @internal What the headers and the body of a request say. */
export interface AsyncRequest {
  readonly endpointName: string
  readonly container: Container
  readonly definition: AsyncDefinition
  readonly inputLocation: string | undefined
  readonly body: string
  readonly contentType: string
  readonly accept: string
  readonly inferenceId: string | undefined
  readonly extension: string | undefined
  readonly filename: string | undefined
}

/** @internal What a request is told at once, and the work that goes on. */
export interface Accepted {
  readonly inferenceId: string
  readonly outputLocation: string
  readonly failureLocation: string
  readonly work: () => Promise<void>
}

/** @internal @throws ServiceError what cannot be accepted */
export function acceptAsync({ s3, run, notify }: AsyncPorts, request: AsyncRequest): Accepted {
  const { inputLocation, body, definition, contentType, accept } = request
  if (!s3) throw invalid('Asynchronous inference needs a bucket; start the endpoint with startLocal().')
  if ((inputLocation !== undefined) === (body !== '')) {
    throw invalid('Give either InputLocation or Body.')
  }
  if (Buffer.byteLength(body) > maxInlineBytes) {
    throw invalid(`Body is longer than ${maxInlineBytes} bytes.`)
  }
  const id = randomUUID()
  const { inferenceId = id, filename = `${id}.out`, extension = '' } = request
  const outputLocation = `${slashed(definition.output)}${extension}${filename}`
  const failureLocation = `${slashed(definition.failures ?? definition.output)}${extension}${id}-error.out`

  async function work(): Promise<void> {
    const told = await attempt(s3 as S3Client)
    if (definition.function === undefined) return
    await notify(definition.function, {
      awsRegion: 'us-east-1',
      eventTime: new Date().toISOString(),
      receivedTime: new Date().toISOString(),
      requestParameters: {
        contentType,
        endpointName: request.endpointName,
        ...(inputLocation && { inputLocation }),
      },
      inferenceId,
      eventVersion: '1.0',
      eventSource: 'aws:sagemaker',
      eventName: 'InferenceResult',
      ...told,
    })
  }

  async function attempt(bucket: S3Client): Promise<object> {
    try {
      const text = inputLocation === undefined ? body : await readObject(bucket, s3Location(inputLocation))
      const answer = await run(request.container, { body: text, contentType, accept })
      await writeObject(bucket, s3Location(outputLocation), answer.body)
      const responseParameters = { contentType: answer.contentType, outputLocation }
      return { invocationStatus: 'Completed', responseParameters }
    } catch (error) {
      const message = error instanceof ServiceError ? error.message : 'Error reading the input.'
      await writeObject(bucket, s3Location(failureLocation), message)
      return {
        invocationStatus: 'Failed',
        failureReason: 'ClientError: Received error from the container.',
        responseParameters: { failureLocation },
      }
    }
  }

  return { inferenceId, outputLocation, failureLocation, work }
}

const maxInlineBytes = 128_000

const slashed = (uri: string) => (uri.endsWith('/') ? uri : `${uri}/`)
