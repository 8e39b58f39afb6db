/** Messages come in batches from a queue; the function logs what it made of each. */
import type { Answer, Sender } from './sender.ts'

export const throughQueue: Sender = async ({ queues, lines }, texts, { signal }) => {
  const queue = queues.messages!
  const ids = await queue.send(texts, { signal })
  const textOf = new Map(ids.map((id, index) => [id, texts[index] ?? '']))
  await queue.settled({ signal })
  const answers: Answer[] = []
  const reasons: string[] = []
  for (const line of lines) {
    const [json] = line.match(/\{"(?:messageId|record)":.*\}$/) ?? []
    const { messageId, intent, error } = json ? JSON.parse(json) : {}
    if (intent !== undefined) answers.push({ text: textOf.get(messageId) ?? '', answer: intent })
    if (error !== undefined) reasons.push(error)
  }
  const { length: failed } = await queue.deadLetters()
  return { events: queue.counters().events, failed, eventsMs: [], answers, reasons }
}
