/** The headers of answers, in some of which Bedrock tells usage, and which the SDK does not hand out. */

import type { BedrockRuntimeClient } from '@aws-sdk/client-bedrock-runtime'
import type { Headers } from '../sdk/guard-client.ts'

const headersByOutput = new WeakMap<object, Headers>()

interface Result {
  readonly response: unknown
  readonly output: object
}

interface Stack {
  add(
    middleware: (next: (args: unknown) => Promise<Result>) => (args: unknown) => Promise<Result>,
    options: { step: string; priority: string; name: string; override: boolean },
  ): void
}

/** Keeps the headers of all answers to a client from now on, for as long as the answers themselves. */
export function keepHeaders(client: BedrockRuntimeClient): void {
  const stack = client.middlewareStack as unknown as Stack
  stack.add(
    (next) => async (args) => {
      const result = await next(args)
      headersByOutput.set(result.output, (result.response as { readonly headers?: Headers }).headers ?? {})
      return result
    },
    { step: 'deserialize', priority: 'high', name: 'sluiceHeaders', override: true },
  )
}

export function headersOf(output: object): Headers {
  return headersByOutput.get(output) ?? {}
}
