import {
  InvokeEndpointWithResponseStreamCommand,
  SageMakerRuntimeClient,
} from '@aws-sdk/client-sagemaker-runtime'
import middy from '@middy/core'
import { retry } from '@sluice/model-invocation'
import { guarded } from '@sluice/model-invocation/sagemaker'

const client = guarded(new SageMakerRuntimeClient({}))

export const handler = middy<{ text: string }>()
  .use(retry({ maxAttempts: 5 }))
  .handler(async ({ text }) => {
    const messages = [{ role: 'user', content: text }]
    const { Body = [] } = await client.send(
      new InvokeEndpointWithResponseStreamCommand({
        EndpointName: 'chat',
        ContentType: 'application/json',
        Body: Buffer.from(JSON.stringify({ messages, max_tokens: 300, stream: true })),
      }),
    )
    let bytes = 0
    for await (const { PayloadPart } of Body) bytes += PayloadPart?.Bytes?.length ?? 0
    return { bytes }
  })
