/** Uploads documents to a local bucket and shows what comes back: `pnpm start`. */
import { startLocal } from 'sluice/local'
import { makePdf } from './make-pdf.ts'

const local = await startLocal({
  functions: { analyse: { handler: new URL('./handler.ts', import.meta.url), timeoutMs: 20_000 } },
  // No prefix here: the results of the function are notified as well, and it has to let them go by.
  buckets: { papers: { function: 'analyse' } },
  onLog: ({ text }) => console.log(text),
})
const { papers } = local.buckets
const letter =
  'Payment reminder\nYour invoice 4711 of 120 EUR is due since the first of May.\nPlease pay within ten days.'
await papers.put('documents/reminder.pdf', makePdf(letter))
await papers.put('documents/notes.md', '# Meeting\n\nWe agreed to ship in June. The tests are not ready yet.')
await papers.put(
  'documents/page.html',
  '<h1>Opening hours</h1><p>The branch in Main Street is open from nine to five. It is closed on Sundays.</p>',
)
await papers.put('documents/broken.pdf', '%PDF-1.4 and then nothing')
await papers.settled()
for (const name of ['reminder.pdf', 'notes.md', 'page.html']) {
  console.log(name, JSON.parse(await papers.get(`analyses/${name}.json`)))
}
const { requests, inputTokens, outputTokens } = local.bedrock.counters()
console.log('the endpoint counted', { requests, inputTokens, outputTokens })
await local.close()
