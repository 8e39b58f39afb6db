/** The queue that sent three messages: which of them it may delete, and which come again. */

import type { SQSBatchResponse } from 'aws-lambda'
import type { LocalFunction } from 'sluice/local'
import type { MatrixLine } from './cloud.ts'
import type { MatrixEvent } from './matrix-event.ts'
import { follow, type Reading } from './reader.ts'

/** The second message is the one that something happens to. */
export async function readBatch(
  target: LocalFunction,
  event: MatrixEvent,
  printed: () => Promise<readonly MatrixLine[]>,
): Promise<Reading> {
  const { run, modelId, prompt } = event
  const plain = {
    run,
    modelId,
    way: 'whole',
    prompt: { run, pieces: prompt.pieces > 20 ? 5 : prompt.pieces },
  } as const
  const messages: readonly MatrixEvent[] = [plain, event, plain]
  const Records = messages.map((message, index) => ({
    messageId: `${run}/${index}`,
    body: JSON.stringify(message),
  }))
  const { payload, error } = await target.invoke<SQSBatchResponse>({ ...event, Records })
  if (error)
    return { saw: 'nothing', strange: ['a batch that failed as a whole'], errorType: error.errorType }
  const back = (payload?.batchItemFailures ?? []).map(({ itemIdentifier }) => itemIdentifier)
  const strange: string[] = []
  if (new Set(back).size !== back.length) strange.push('a message sent back twice')
  const lines = await printed()
  for (const [index, { messageId }] of Records.entries()) {
    const done = lines.filter(({ delivered }) => delivered === messageId)
    const isBack = back.includes(messageId)
    if (done.length > 1) strange.push(`message ${index} done twice`)
    if (done.length > 0 && isBack) strange.push(`message ${index} done and sent back`)
    if (done.length === 0 && !isBack) strange.push(`message ${index} lost`)
    for (const { text = '' } of done) {
      const told = follow(messages[index]?.prompt ?? prompt)
      if (!told.next(text)) strange.push('words that the model has not said')
      if (!told.whole) strange.push('an answer in which words are missing')
    }
  }
  const own = `${run}/1`
  const failed = lines.find(({ record }) => record === own)
  if (!back.includes(own)) return { saw: 'whole', strange }
  return { saw: 'nothing', code: failed?.code, strange }
}
