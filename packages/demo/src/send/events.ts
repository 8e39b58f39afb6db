/** Each message is one event of a function. */
import { type Answer, each, type Sender } from './sender.ts'

/** As the examples' functions take and give it: `{ text }` in, `{ intent }` out. */
export const asEvents: Sender = sendEvents({
  event: (text) => ({ text }),
  read: (payload) => (payload as { intent: string }).intent,
})

/** `{ text }` in, `{ summary }` out. */
const asTexts: Sender = sendEvents({
  event: (text) => ({ text }),
  read: (payload) => (payload as { summary: string }).summary,
})

const messagesInLetter = 12

/** Letters of many messages each, so that a few of them are more than a quota carries. */
export const asLetters: Sender = (cloud, texts, options) => {
  const letterAt = (at: number) =>
    Array.from({ length: messagesInLetter }, (_, n) => texts[(at + n) % texts.length]).join(' ')
  return asTexts(
    cloud,
    texts.map((_, at) => letterAt(at)),
    options,
  )
}

const request = {
  version: '2.0',
  rawPath: '/',
  headers: { 'content-type': 'application/json' },
  requestContext: { http: { method: 'POST', path: '/' } },
}

/** As a function URL: the message in the body of a request, the answer in that of the response. */
export const asRequests: Sender = sendEvents({
  event: (text) => ({ ...request, body: JSON.stringify({ text }) }),
  read(payload) {
    const { statusCode, body } = payload as { statusCode: number; body: string }
    if (statusCode !== 200) throw new Error(`${statusCode} ${body}`)
    return (JSON.parse(body) as { intent: string }).intent
  },
})

function sendEvents({
  event,
  read,
}: {
  readonly event: (text: string) => object
  /** Throws when the answer says that there is none. */
  readonly read: (payload: unknown) => string
}): Sender {
  return async function send({ functions }, texts, { concurrency, signal, onDone }) {
    const eventsMs: number[] = []
    const answers: Answer[] = []
    const reasons: string[] = []
    await each(texts, concurrency, async (text) => {
      const { error, payload, durationMs, coldStart } = await functions.handler!.invoke(event(text), {
        signal,
      })
      if (!coldStart) eventsMs.push(durationMs)
      try {
        if (error) reasons.push(`${error.errorType}: ${error.errorMessage}`)
        else answers.push({ text, answer: read(payload) })
      } catch (refused) {
        reasons.push((refused as Error).message)
      }
      onDone()
    })
    return { events: texts.length, failed: reasons.length, eventsMs, answers, reasons }
  }
}
