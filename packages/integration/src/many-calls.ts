/** A handler that calls in every way there is and tells which invocation each attempt was counted for. */

import { subscribe } from 'node:diagnostics_channel'
import {
  type BedrockRuntimeClient,
  ConverseCommand,
  type ConverseCommandInput,
  ConverseStreamCommand,
} from '@aws-sdk/client-bedrock-runtime'
import middy from '@middy/core'
import { type AttemptPolicy, type AttemptRecord, currentScope } from '@sluice/core'
import { modelInvocation, retry } from '@sluice/model-invocation'
import { bedrock, guarded } from '@sluice/model-invocation/bedrock'

export interface Numbered {
  readonly invocation: number
}

/** One attempt: whose it was, by what was sent, and whose it was taken for. */
export interface Sighting {
  readonly invocation: number
  readonly requestId: string | undefined
  readonly status: string
}

export const callsPerInvocation = 5

const modelId = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0'

export function manyCalls(bareClient: BedrockRuntimeClient, sight: (sighting: Sighting) => void) {
  const client = guarded(bareClient)
  const invocationOf = new Map<string, string>()
  const witness: AttemptPolicy = {
    name: 'witness',
    stage: 'attempt',
    wrap: (next) => (request, context) => {
      const { requestMetadata } = request.payload as ConverseCommandInput
      invocationOf.set(context.call.id, requestMetadata?.invocation ?? '')
      return next(request, context)
    },
  }
  subscribe('sluice:attempt', (message) => {
    const { callId, requestId, status } = message as AttemptRecord
    sight({ invocation: Number(invocationOf.get(callId) ?? Number.NaN), requestId, status })
  })

  return middy<Numbered>()
    .use(retry())
    .use(modelInvocation({ model: bedrock(modelId, { client }), policies: [witness] }))
    .handler(async ({ invocation }, { model }) => {
      const prompt = {
        messages: [
          { role: 'user' as const, content: [{ text: `The number of this event is ${invocation}.` }] },
        ],
        requestMetadata: { invocation: String(invocation) },
      }
      const input = { modelId, ...prompt }
      const scopes = [currentScope()?.requestId]
      await client.send(new ConverseCommand(input))
      scopes.push(currentScope()?.requestId)
      await new Promise((resolve) => setTimeout(resolve, invocation % 3))
      const { stream = [] } = await client.send(new ConverseStreamCommand(input))
      for await (const _ of stream) scopes.push(currentScope()?.requestId)
      await model.invoke(prompt)
      const answer = await (await model.stream(prompt)).answer()
      await client.send(new ConverseCommand(input))
      scopes.push(currentScope()?.requestId)
      return { scopes: [...new Set(scopes)], text: answer.text }
    })
}
