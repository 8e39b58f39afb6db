/** Mistakes that the chain could make, made on purpose: the checks of the matrix have to see each of them. */

import { Readable } from 'node:stream'
import { type BedrockRuntimeClient, ConverseStreamCommand } from '@aws-sdk/client-bedrock-runtime'
import type { CostRecord } from '@sluice/cost-meter'
import type { SQSBatchResponse, SQSEvent } from 'aws-lambda'
import type { Bug, MatrixEvent } from './matrix-event.ts'

export function buggyRecords(bug: Bug | undefined, record: CostRecord): readonly CostRecord[] {
  if (record.kind !== 'attempt') return [record]
  if (bug === 'no record of what failed' && record.error) return []
  if (bug === 'every record twice') return [record, record]
  if (bug !== 'usage made up') return [record]
  return [{ ...record, usage: { ...record.usage, outputTokens: record.usage.outputTokens + 1 } }]
}

/** What a handler does beside its work. */
export async function buggyWork({ bug, modelId }: MatrixEvent, client: BedrockRuntimeClient): Promise<void> {
  if (bug === 'kills the process') setImmediate(() => process.exit(1))
  if (bug !== 'leaves a stream open') return
  const { BedrockRuntimeClient } = await import('@aws-sdk/client-bedrock-runtime')
  // The bare SDK, which nobody watches.
  const { region, credentials, endpoint } = client.config
  const bare = new BedrockRuntimeClient({ region, credentials, ...(endpoint && { endpoint }) })
  const text = JSON.stringify({ run: 'open', pieces: 2, pauseAt: 1 })
  const messages = [{ role: 'user' as const, content: [{ text }] }]
  await bare.send(new ConverseStreamCommand({ modelId, messages }))
}

function rewritten(bug: Bug | undefined, text: string): string {
  if (bug === 'swallows the error event') return text.replace(/event: error\n.*\n\n/, '')
  if (bug === 'says done after a cut') return text.replace('event: error', 'event: done')
  if (bug === 'words of another') return text.replace(/r\d+\.1 /, 'r0.1 ')
  return text
}

interface ResponseRequest {
  readonly event: unknown
  response?: unknown
}

export const buggyBody = {
  streamed: {
    after(request: ResponseRequest): void {
      const { bug } = request.event as MatrixEvent
      const response = request.response as { body: AsyncIterable<Uint8Array> }
      if (bug === undefined) return
      const { body } = response
      async function* changed(): AsyncGenerator<string> {
        for await (const chunk of body) yield rewritten(bug, String(chunk))
      }
      request.response = { ...response, body: Readable.from(changed()) }
    },
  },
  async whole({ bug }: MatrixEvent, answer: Promise<string>): Promise<string> {
    if (bug === 'a part passed off as the whole') return answer.catch(() => 'a part')
    return rewritten(bug, await answer)
  },
}

export const buggyBatch = {
  after({ event, response }: ResponseRequest): void {
    const { bug, Records } = event as MatrixEvent & SQSEvent
    const { batchItemFailures } = response as SQSBatchResponse
    if (bug === 'a message lost') batchItemFailures.length = 0
    if (bug !== 'a message done and sent back') return
    batchItemFailures.push(...Records.map(({ messageId }) => ({ itemIdentifier: messageId })))
  },
}
