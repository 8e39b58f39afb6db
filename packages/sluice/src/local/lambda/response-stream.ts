import type { IncomingMessage } from 'node:http'

export interface ResponseHead {
  /** From the HTTP prelude; `undefined` when the function wrote a plain stream. */
  readonly statusCode: number | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly cookies: readonly string[]
  readonly contentType: string | undefined
}

export interface ResponseStream extends ResponseHead {
  /**
   * The bytes as they arrive, to be read once. It ends without an error also when the function failed midway,
   * as the stream of a function URL does: `ended` tells.
   */
  readonly body: AsyncIterable<Uint8Array>
}

/**
 * What the function learns when its reader leaves: nothing, as on AWS (`silent`), or an error of its response
 * stream (`fail`), as from a web server.
 */
export type WhenReaderLeaves = 'silent' | 'fail'

const httpIntegration = 'application/vnd.awslambda.http-integration-response'
const delimiter = Buffer.alloc(8)

/** Reads the prelude, if there is one, and hands over the rest. */
export async function readResponseStream(
  response: IncomingMessage | undefined,
  whenReaderLeaves: WhenReaderLeaves,
  signal?: AbortSignal,
): Promise<ResponseStream> {
  if (!response) return { ...plainHead(undefined), body: chunks(undefined, [], () => {}) }
  const inner: AsyncIterator<Buffer> = response.iterator({ destroyOnReturn: false })[Symbol.asyncIterator]()
  const leave = () => {
    if (whenReaderLeaves === 'fail') response.destroy()
    else response.resume()
  }
  if (signal?.aborted) leave()
  signal?.addEventListener('abort', leave, { once: true })
  response.once('close', () => signal?.removeEventListener('abort', leave))

  const contentType = response.headers['content-type']
  if (contentType !== httpIntegration) return { ...plainHead(contentType), body: chunks(inner, [], leave) }
  let start: Buffer = Buffer.alloc(0)
  let end = -1
  while (end < 0) {
    const next = await nextChunk(inner)
    if (next.done) return { ...plainHead(contentType), body: chunks(undefined, [start], leave) }
    start = Buffer.concat([start, next.value])
    end = start.indexOf(delimiter)
  }
  const head = httpHead(start.subarray(0, end))
  const rest = head ? start.subarray(end + delimiter.length) : start
  return { ...(head ?? plainHead(contentType)), body: chunks(inner, rest.length > 0 ? [rest] : [], leave) }
}

function plainHead(contentType: string | undefined): ResponseHead {
  return { statusCode: undefined, headers: {}, cookies: [], contentType }
}

/** `undefined` for bytes that only look like a prelude. */
function httpHead(prelude: Buffer): ResponseHead | undefined {
  try {
    const { statusCode = 200, headers = {}, cookies = [] } = JSON.parse(prelude.toString())
    const name = Object.keys(headers).find((key) => key.toLowerCase() === 'content-type')
    return { statusCode, headers, cookies, contentType: name === undefined ? undefined : headers[name] }
  } catch {
    return undefined
  }
}

/** A generator's `return` does nothing before its first `next`; a reader may leave even then. */
function chunks(
  inner: AsyncIterator<Buffer> | undefined,
  first: Buffer[],
  leave: () => void,
): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]: () => ({
      async next() {
        const value = first.shift()
        if (value) return { done: false, value }
        return inner ? nextChunk(inner) : { done: true, value: undefined }
      },
      async return() {
        await inner?.return?.()
        leave()
        return { done: true, value: undefined }
      },
    }),
  }
}

/** A stream that is cut ends here; the invocation's `ended` carries the reason. */
async function nextChunk(inner: AsyncIterator<Buffer>): Promise<IteratorResult<Buffer, undefined>> {
  try {
    return await inner.next()
  } catch {
    return { done: true, value: undefined }
  }
}
