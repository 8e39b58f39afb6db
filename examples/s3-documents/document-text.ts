/** The text of a document, whatever its format. */
import { InvalidEventError } from '@sluice/core'
import { convert } from 'html-to-text'
import { extractText, getDocumentProxy } from 'unpdf'

type Reader = (bytes: Uint8Array) => string | Promise<string>

/** By the end of the key: what a client says of the content type is often nothing, or wrong. */
const readers: Readonly<Record<string, Reader>> = { txt: plain, md: plain, html, htm: html, pdf }

const maxTags = 50_000
const maxCharacters = 100_000

/** Whether there is a reader for this key. */
export function isDocument(key: string): boolean {
  return Object.hasOwn(readers, formatOf(key))
}

/** @throws InvalidEventError when the document cannot be read */
export async function documentText(key: string, bytes: Uint8Array): Promise<string> {
  const format = formatOf(key)
  let text: string
  try {
    text = await (readers[format] as Reader)(bytes)
  } catch (cause) {
    throw new InvalidEventError(`The document cannot be read as ${format}.`, { statusCode: 422, cause })
  }
  if (text.trim() === '') {
    throw new InvalidEventError('The document has no text. Is it a scan?', { statusCode: 422 })
  }
  if (text.length > maxCharacters) {
    throw new InvalidEventError(`The document has ${text.length} characters; ${maxCharacters} are allowed.`, {
      statusCode: 413,
    })
  }
  return text
}

function formatOf(key: string): string {
  return key.slice(key.lastIndexOf('.') + 1).toLowerCase()
}

function plain(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
}

function html(bytes: Uint8Array): string {
  const source = plain(bytes)
  // The parser needs the square of the depth: a page of nothing but open tags would take minutes.
  if (source.split('<').length > maxTags) throw new RangeError('too many tags')
  const selectors = [
    { selector: 'a', options: { ignoreHref: true } },
    { selector: 'img', format: 'skip' },
  ]
  return convert(source, { wordwrap: false, selectors })
}

async function pdf(bytes: Uint8Array): Promise<string> {
  const document = await getDocumentProxy(bytes, { verbosity: 0 })
  try {
    return (await extractText(document, { mergePages: true })).text
  } finally {
    await document.loadingTask.destroy()
  }
}
