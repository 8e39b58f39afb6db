/** Each message is asked in a chat, and its answer is read as it streams. */
import { randomUUID } from 'node:crypto'
import { text as textOf } from 'node:stream/consumers'
import { type Answer, each, type Sender } from './sender.ts'

export const asChats: Sender = async ({ functions }, texts, { concurrency, signal, onDone }) => {
  const answers: Answer[] = []
  const reasons: string[] = []
  await each(texts, concurrency, async (text) => {
    const body = JSON.stringify({ streamId: randomUUID(), messages: [{ role: 'user', text }] })
    const { body: stream, ended } = await functions.handler!.invokeStream(
      { version: '2.0', rawPath: '/chat', body },
      { signal },
    )
    const { said, end, data } = readEvents(await textOf(stream as AsyncIterable<Buffer>))
    await ended
    if (end === 'done') answers.push({ text, answer: said })
    else reasons.push(end === 'error' ? `told to the reader: ${data.code}` : 'the stream has no end')
    onDone()
  })
  return { events: texts.length, failed: reasons.length, eventsMs: [], answers, reasons }
}

interface Events {
  readonly said: string
  /** The name of the last event. */
  readonly end: string | undefined
  readonly data: { readonly code?: string }
}

function readEvents(text: string): Events {
  const events = [...text.matchAll(/^event: (.*)\ndata: (.*)$/gm)].map(([, name, data = '']) => ({
    name,
    data: JSON.parse(data) as { readonly text?: string; readonly code?: string },
  }))
  const said = events.map(({ name, data }) => (name === 'token' ? data.text : '')).join('')
  return { said, end: events.at(-1)?.name, data: events.at(-1)?.data ?? {} }
}
