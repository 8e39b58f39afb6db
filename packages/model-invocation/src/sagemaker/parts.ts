/** A response stream as the parts of its answer, in the language of its adapter. */

import type { ResponseStream } from '@aws-sdk/client-sagemaker-runtime'
import { SluiceError } from '@sluice/core'
import { type AnswerPart, type StreamAdapter, unreadable } from './adapter.ts'
import { lineReader } from './lines.ts'

export async function* partsOf(
  body: AsyncIterable<ResponseStream> | undefined,
  { readLine, marksEnd }: StreamAdapter<unknown>,
  modelId: string,
): AsyncGenerator<AnswerPart> {
  const lines = lineReader()

  function read(line: string): AnswerPart {
    try {
      return readLine(line)
    } catch (error) {
      throw SluiceError.is(error) ? error : unreadable(modelId)
    }
  }

  for await (const { PayloadPart } of body ?? []) {
    for (const line of lines.push(PayloadPart?.Bytes ?? new Uint8Array())) yield read(line)
  }
  for (const line of lines.end()) yield read(line)
  if (!marksEnd) yield { last: true }
}
