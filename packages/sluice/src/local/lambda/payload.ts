import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import type { FunctionError } from './invocation.ts'
import { readResponseStream } from './response-stream.ts'

const maxPayloadBytes = 6_291_556

/** Reads a whole answer, as `Invoke` does, also that of a streaming handler. */
export async function readPayload(
  response: IncomingMessage | undefined,
): Promise<{ payload?: unknown; error?: FunctionError }> {
  if (!response) return {}
  const { statusCode, headers, cookies, body } = await readResponseStream(response, 'silent')
  const content = await text(body)
  const streamed = response.headers['lambda-runtime-function-response-mode'] === 'streaming'
  if (statusCode !== undefined) return { payload: { statusCode, headers, cookies, body: content } }
  if (!streamed && Buffer.byteLength(content) > maxPayloadBytes) {
    const errorMessage = `Response payload size exceeded maximum allowed payload size (${maxPayloadBytes} bytes).`
    return { error: { errorType: 'Function.ResponseSizeTooLarge', errorMessage, trace: [] } }
  }
  return { payload: parse(content) }
}

/** A buffered answer is JSON always, a streamed one perhaps. */
function parse(content: string): unknown {
  try {
    return JSON.parse(content)
  } catch {
    return content
  }
}
