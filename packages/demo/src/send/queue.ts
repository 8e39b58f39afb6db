/** Messages come in batches from a queue; the function logs what it made of each. */
import type { Answer, Sender } from './sender.ts'

export const throughQueue: Sender = async ({ queues, lines }, texts, { signal }) => {
  const queue = queues.messages!
  const ids = await queue.send(texts, { signal })
  const textOf = new Map(ids.map((id, index) => [id, texts[index] ?? '']))
  await queue.settled({ signal })
  const answers: Answer[] = []
  const reasons: string[] = []
  let deferred = 0
  for (const line of lines) {
    const [json] = line.match(/\{"(?:messageId|summary|record)":.*\}$/) ?? []
    const { messageId, intent, summary, status, error } = json ? JSON.parse(json) : {}
    const answer = intent ?? summary
    if (answer !== undefined) answers.push({ text: textOf.get(messageId) ?? '', answer })
    if (status === 'deferred') deferred += 1
    else if (error !== undefined) reasons.push(error)
  }
  const { length: failed } = await queue.deadLetters()
  return { events: queue.counters().events, failed, deferred, eventsMs: [], answers, reasons }
}
