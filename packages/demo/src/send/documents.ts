/** Each message is a document, which is uploaded to a bucket; the function writes its analysis beside it. */
import { makePdf } from '@sluice/example-s3-documents/make-pdf.ts'
import type { Answer, Sender } from './sender.ts'

/** One after the other, so that every format comes up. */
const formats: readonly (readonly [ending: string, make: (text: string) => string | Uint8Array])[] = [
  ['pdf', makePdf],
  ['md', (text) => `# From a customer\n\n${text}`],
  ['html', (text) => `<h1>From a customer</h1><p>${text.replace(/[<&]/g, ' ')}</p>`],
  ['txt', (text) => text],
]

export const asDocuments: Sender = async ({ buckets }, texts, { signal, onDone }) => {
  const bucket = buckets.papers!
  const documents = texts.map((text, index) => {
    const [ending, make] = formats[index % formats.length]!
    return { name: `${index}.${ending}`, text, body: make(text) }
  })
  for (const { name, body } of documents) await bucket.put(`documents/${name}`, body)
  await orAborted(bucket.settled(), signal)
  const answers: Answer[] = []
  for (const { name, text } of documents) {
    const analysis = await bucket.get(`analyses/${name}.json`).catch(() => undefined)
    if (analysis !== undefined) answers.push({ text, answer: `${name}: ${JSON.parse(analysis).topics[0]}` })
    onDone()
  }
  const reasons = bucket
    .failures()
    .map(({ result: { error } }) => `${error?.errorType}: ${error?.errorMessage}`)
  const failed = documents.length - answers.length
  return { events: documents.length, failed, eventsMs: [], answers, reasons }
}

function orAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    work.then(resolve, reject)
  })
}
