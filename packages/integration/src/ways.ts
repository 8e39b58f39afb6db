/** The two ways to ask that most tests go through, and an invocation whose retries do not wait. */

import {
  type BedrockRuntimeClient,
  ConverseCommand,
  ConverseStreamCommand,
} from '@aws-sdk/client-bedrock-runtime'
import { runInScope } from '@sluice/core'
import { retry } from '@sluice/model-invocation'
import type { FaultRule } from 'sluice/local'
import { asking } from './testing.ts'

export const unavailable: FaultRule = {
  fault: 'error',
  name: 'ServiceUnavailableException',
  status: 503,
  first: 1,
}
export const quickly = () => [retry({ random: () => 0 })]

/** Runs work as in an invocation whose retries do not wait. */
export function inInvocation<Result>(work: () => Promise<Result>): Promise<Result> {
  return runInScope({ requestId: 'request', policies: quickly() }, work)
}

/** One way to call, reduced to the text of the answer. */
export interface Way {
  readonly operation: 'Converse' | 'ConverseStream'
  call(client: BedrockRuntimeClient, text?: string): Promise<string>
}

export const ways: readonly Way[] = [
  {
    operation: 'Converse',
    async call(client, text = 'Where is my card?') {
      const { output } = await client.send(new ConverseCommand(asking(text)))
      return output?.message?.content?.[0]?.text ?? ''
    },
  },
  {
    operation: 'ConverseStream',
    async call(client, text = 'Where is my card?') {
      const { stream = [] } = await client.send(new ConverseStreamCommand(asking(text)))
      let answer = ''
      for await (const { contentBlockDelta } of stream) answer += contentBlockDelta?.delta?.text ?? ''
      return answer
    },
  },
]
