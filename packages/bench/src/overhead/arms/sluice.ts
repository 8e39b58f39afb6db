import middy from '@middy/core'
import { modelInvocation } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'
import type { Context } from 'aws-lambda'
import type { Arm, ArmSettings } from '../arm.ts'

/** One whole Middy invocation for each call: the worst case, as one event often makes several calls. */
export function createArm(settings: ArmSettings): Arm {
  return middyArm(settings, () => [])
}

/** The same with other middlewares in front. */
export function middyArm(
  { url, region, modelId, prompt, maxTokens }: ArmSettings,
  others: () => readonly unknown[],
): Arm {
  // As it stands in every example: without a client of the user's, bedrock() makes its own from the environment.
  process.env.AWS_REGION = region
  process.env.AWS_ENDPOINT_URL_BEDROCK_RUNTIME = url
  const handler = middy<{ onText?: (piece: string) => void }>()
    .use(others() as middy.MiddlewareObj[])
    .use(modelInvocation({ model: bedrock(modelId, { maxTokens }) }))
    .handler(async ({ onText }, { model }) => {
      if (onText === undefined) return (await model.invoke(prompt)).text
      const { text } = await model.stream(prompt)
      for await (const piece of text) onText(piece)
      return ''
    })
  let invocations = 0
  const invocation = () => {
    const context = lambdaContext(`00000000-0000-4000-8000-${String(++invocations).padStart(12, '0')}`)
    // As Lambda hands it over: the chain is what puts `model` on it.
    return context as Parameters<typeof handler>[1]
  }
  return {
    invoke: () => handler({}, invocation()),
    async stream(onText) {
      await handler({ onText }, invocation())
    },
  }
}

/** What Lambda's runtime client hands to a handler. */
function lambdaContext(awsRequestId: string): Context {
  const deadline = Date.now() + 30_000
  return {
    awsRequestId,
    callbackWaitsForEmptyEventLoop: true,
    functionName: 'bench',
    functionVersion: '$LATEST',
    invokedFunctionArn: 'arn:aws:lambda:us-east-1:123456789012:function:bench',
    memoryLimitInMB: '1769',
    logGroupName: '/aws/lambda/bench',
    logStreamName: '2026/11/21/[$LATEST]00000000000000000000000000000000',
    getRemainingTimeInMillis: () => deadline - Date.now(),
    done() {},
    fail() {},
    succeed() {},
  }
}
