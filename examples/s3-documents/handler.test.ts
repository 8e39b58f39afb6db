import type { S3Event } from 'aws-lambda'
import fc from 'fast-check'
import { type FaultRule, startLocal } from 'sluice/local'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { documentText } from './document-text.ts'
import event from './event.json' with { type: 'json' }
import { makePdf } from './make-pdf.ts'

const handler = new URL('./handler.ts', import.meta.url)
const local = await startLocal({
  bedrock: { latency: 'none' },
  functions: { analyse: { handler, timeoutMs: 15_000 } },
  // Without a prefix: the function is also told of its own results.
  buckets: { papers: { function: 'analyse', retryDelayMs: 1 } },
})
const { papers } = local.buckets
afterAll(local.close)

const text = 'Your invoice 4711 of 120 EUR is due since the first of May. Please pay within ten days.'

async function upload(key: string, body: string | Uint8Array, faults: readonly FaultRule[] = []) {
  local.bedrock.reset()
  local.bedrock.setFaults(faults)
  await papers.put(key, body)
  await papers.settled()
  return local.bedrock.counters()
}

/** The event of S3 for one object, as it comes to the function. */
function notification(key: string, bucket = papers.name): S3Event {
  const [record] = event.Records
  return {
    Records: [{ ...record, s3: { ...record?.s3, bucket: { name: bucket }, object: { key } } }],
  } as unknown as S3Event
}

test.for([
  ['a text', 'reminder.txt', text],
  ['Markdown', 'reminder.MD', `# Reminder\n\n${text}`],
  ['a page', 'reminder.html', `<head><style>a{}</style></head><p>${text}</p><script>track()</script>`],
  ['a PDF', 'reminder.pdf', makePdf(text.replace('. ', '.\n'))],
] as const)('%s is analysed once, and the result is in the bucket', async ([, name, body]) => {
  const counters = await upload(`documents/${name}`, body)
  expect(JSON.parse(await papers.get(`analyses/${name}.json`))).toMatchObject({
    document: `documents/${name}`,
    title: expect.stringContaining('invoice 4711'),
    summary: expect.stringContaining('120 EUR'),
    topics: expect.arrayContaining(['invoice']),
  })
  expect(counters).toMatchObject({ requests: 1, outcomes: { ok: 1 } })
  expect(papers.failures()).toEqual([])
})

test('keys may hold what they like', async () => {
  const key = 'documents/März 2026/50% + more (final).txt'
  await upload(key, text)
  const analysis = await papers.get('analyses/März 2026/50% + more (final).txt.json')
  expect(JSON.parse(analysis)).toMatchObject({ document: key })
})

test('other objects, its own results and the test event of S3 ask nobody', async () => {
  for (const key of ['documents/photo.jpg', 'elsewhere/letter.txt', 'analyses/letter.txt']) {
    expect(await upload(key, text)).toMatchObject({ requests: 0 })
  }
  const test = { Service: 'Amazon S3', Event: 's3:TestEvent', Bucket: papers.name }
  expect(await local.functions.analyse.invoke(test)).toMatchObject({
    error: undefined,
    payload: { done: [], refused: [] },
  })
})

test.for([
  ['a broken PDF', 'broken.pdf', Buffer.from('%PDF-1.4 and no more'), 'cannot be read as pdf'],
  ['a PDF without text', 'scan.pdf', makePdf(''), 'has no text'],
  ['an empty file', 'empty.md', '\n', 'has no text'],
  ['bytes that are no UTF-8', 'latin.txt', Buffer.from([0x41, 0xff, 0xfe]), 'cannot be read as txt'],
  ['a page of too many tags', 'tags.html', '<div>'.repeat(2_000_000), 'cannot be read as html'],
  ['a page that is too deep', 'deep.html', '<div>'.repeat(40_000), 'cannot be read as html'],
  [
    'a file that is too large',
    'large.txt',
    Buffer.alloc(10_000_001, 'a'),
    '10000000 bytes',
    'PayloadTooLargeError',
  ],
  ['a text that is too long', 'long.txt', 'word '.repeat(20_001), '100005 characters'],
] as const)(
  '%s is refused, by name and at once; the function lives',
  async ([, name, body, message, error = 'InvalidEventError']) => {
    const key = `documents/${name}`
    expect(await upload(key, body)).toMatchObject({ requests: 0 })
    const { error: failure, payload, logs } = await local.functions.analyse.invoke(notification(key))
    expect(failure).toBeUndefined()
    const id = `s3://papers/${key}`
    expect(payload).toEqual({
      done: [],
      refused: [{ id, error, message: expect.stringContaining(message) }],
    })
    expect(logs.join('\n')).toContain(`"record":"${id}","status":"failed"`)
    await expect(papers.get(`analyses/${name}.json`)).rejects.toThrow()
    expect(papers.failures()).toEqual([])
  },
)

test('a document that is gone is refused', async () => {
  const { payload } = await local.functions.analyse.invoke(notification('documents/gone.txt'))
  expect(payload).toMatchObject({ refused: [{ message: 'The object is gone.' }] })
})

test('a service that is down fails the event, and S3 sends it again', async () => {
  const { outcomes } = await upload('documents/later.txt', text, [
    { fault: 'error', name: 'ServiceUnavailableException', status: 503, first: 4 },
  ])
  expect(outcomes).toEqual({ ServiceUnavailableException: 4, ok: 1 })
  expect(JSON.parse(await papers.get('analyses/later.txt.json'))).toMatchObject({
    document: 'documents/later.txt',
  })
  expect(papers.failures()).toEqual([])
})

test('a missing permission is nothing that the document can help: the event fails', async () => {
  await upload('documents/denied.txt', text, [
    { fault: 'error', name: 'AccessDeniedException', status: 403, first: 3 },
  ])
  expect(papers.failures()).toMatchObject([
    { key: 'documents/denied.txt', result: { error: { errorType: 'ModelError' } } },
  ])
})

test('prefixes that overlap do not start', async () => {
  const wrong = await startLocal({
    functions: { analyse: { handler, environment: { OUTPUT_PREFIX: 'documents/analyses/' } } },
  })
  onTestFinished(wrong.close)
  expect((await wrong.functions.analyse.invoke(event)).error?.errorMessage).toContain('overlap')
})

test('no bytes make a reader do anything but read or refuse', async () => {
  const formats = fc.constantFrom('txt', 'md', 'html', 'pdf')
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 2_000 }),
    fc.string().map((html) => Buffer.from(`<p>${html}</p><${html}>`)),
    fc.tuple(fc.nat(600), fc.nat(255)).map(([at, byte]) => {
      const file = makePdf(text)
      file[at % file.length] = byte
      return file
    }),
  )
  await fc.assert(
    fc.asyncProperty(formats, bytes, async (format, file) => {
      try {
        expect(await documentText(`a.${format}`, Uint8Array.from(file))).toMatch(/\S/)
      } catch (error) {
        expect(error).toMatchObject({ name: 'InvalidEventError', statusCode: 422 })
      }
    }),
    { numRuns: 200 },
  )
})
