import { Readable } from 'node:stream'
import middy from '@middy/core'
import { executionModeStreamifyResponse } from '@middy/core/StreamifyResponse'
import { SluiceError } from '@sluice/core'
import { modelInvocation } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'

const model = bedrock('eu.amazon.nova-lite-v1:0', { maxTokens: 500 })

/** A body that throws midway ends the runtime's process, so a failure becomes the last line instead. */
async function* withLastLine(text: AsyncIterable<string>): AsyncGenerator<string> {
  try {
    yield* text
  } catch (error) {
    yield `\n[broken off: ${SluiceError.is(error) ? error.code : 'unexpected'}]`
  }
}

export const handler = middy<{ text: string }>({ executionMode: executionModeStreamifyResponse })
  .use(modelInvocation({ model }))
  .handler(async ({ text }, { model }) => {
    const answer = await model.stream(`Explain to a customer:\n\n${text}`)
    return {
      statusCode: 200,
      headers: { 'content-type': 'text/plain; charset=utf-8' },
      body: Readable.from(withLastLine(answer.text)),
    }
  })
