/** The chat on this machine, under AWS's own runtime client: `node local.ts` prints where it is. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { type BedrockOptions, type Local, startLocal } from 'sluice/local'

export interface LocalChat {
  readonly url: string
  readonly local: Local<'chat', never, never>
  close(): Promise<void>
}

/** A stand-in that knows one answer: what counts here is how it arrives. */
const model: NonNullable<BedrockOptions['model']> = async function* ({ turns }) {
  const asked = turns.at(-1)?.text.slice(0, 60) ?? ''
  const said =
    `You asked: “${asked}”. I am a stand-in for a model, so this is all that I know. ` +
    'Each of these words has left a Bedrock endpoint by itself, came through a Lambda function under the runtime client ' +
    'of AWS, and was written to your browser the moment it was there. The plot shows how many come in a second. ' +
    'Press Stop, and the function finds your word in its store, the model stops, and nothing more is billed. ' +
    'If the model breaks off, you will be told so, because an answer that looks whole and is not is worse than none.'
  yield said.split(/(?<= )/)
}

export async function startChat(bedrock: BedrockOptions = {}, port = 0): Promise<LocalChat> {
  const local = await startLocal({
    bedrock: { model, latency: { firstTokenMs: 400, tokensPerSecond: 30 }, ...bedrock },
    functions: {
      chat: {
        handler: new URL('./handler.ts', import.meta.url),
        timeoutMs: 70_000,
        // One process for all requests, so that a Stop finds its stream in memory. In AWS there is a table.
        managedInstances: { maxConcurrency: 32, workerCount: 1 },
        concurrency: 1,
      },
    },
  })
  const page = readFileSync(new URL('./index.html', import.meta.url))
  const server = createServer((request, response) => {
    const answered =
      request.method === 'GET' ? sendPage(request, response, page) : invoke(local, request, response)
    answered.catch((error: unknown) => response.destroy(error as Error))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    local,
    async close() {
      server.closeAllConnections()
      server.close()
      await local.close()
    },
  }
}

async function sendPage({ url }: IncomingMessage, response: ServerResponse, page: Buffer): Promise<void> {
  if (url !== '/') response.writeHead(404).end()
  else response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page)
}

/** What a function URL does. */
async function invoke(
  local: LocalChat['local'],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const event = { version: '2.0', rawPath: request.url, headers: request.headers, body: await text(request) }
  const { statusCode, headers, body } = await local.functions.chat.invokeStream(event)
  response.writeHead(statusCode ?? 502, headers)
  for await (const chunk of body) {
    // Whoever has left is not told to the function, as in AWS.
    if (response.destroyed) break
    if (!response.write(chunk)) await Promise.race([once(response, 'drain'), once(response, 'close')])
  }
  response.end()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const chat = await startChat({}, Number(process.env.PORT ?? 0))
  console.log(`The chat is at ${chat.url} (Ctrl+C ends it)`)
  process.once('SIGINT', () => void chat.close().then(() => process.exit()))
}
