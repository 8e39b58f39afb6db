/** The real Bedrock: whose account, which model, and what it can cost. */
import { createInterface } from 'node:readline/promises'
import { BedrockRuntimeClient } from '@aws-sdk/client-bedrock-runtime'
import type { Messages } from './messages.ts'
import { UsageError } from './options.ts'
import { type Pattern, shareOf } from './patterns.ts'
import { number } from './report.ts'

export interface AwsTarget {
  readonly region: string
  readonly modelId: string
  /** For the functions, in place of what the local cloud gives them. */
  readonly environment: Readonly<Record<string, string>>
}

/**
 * Finds credentials and Region as every AWS SDK does, and hands them to the functions.
 *
 * @throws UsageError when there are none
 */
export async function awsTarget(): Promise<AwsTarget> {
  const { config } = new BedrockRuntimeClient({})
  const region = await config.region().catch(() => {
    throw new UsageError('--aws needs a Region: set AWS_REGION, or a profile that has one with AWS_PROFILE')
  })
  const credentials = await config.credentials().catch((error: Error) => {
    throw new UsageError(
      `--aws needs credentials and found none (${error.message}).\nLog in (aws sso login, aws login), or set AWS_PROFILE or AWS_ACCESS_KEY_ID`,
    )
  })
  const {
    MODEL_ID: modelId = novaLite(region),
    AWS_ENDPOINT_URL_BEDROCK_RUNTIME,
    NODE_EXTRA_CA_CERTS,
  } = process.env
  return {
    region,
    modelId,
    environment: {
      MODEL_ID: modelId,
      AWS_REGION: region,
      AWS_DEFAULT_REGION: region,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      AWS_SESSION_TOKEN: credentials.sessionToken ?? '',
      // Empty is unset for the SDK: the service's own address.
      AWS_ENDPOINT_URL_BEDROCK_RUNTIME: AWS_ENDPOINT_URL_BEDROCK_RUNTIME ?? '',
      ...(NODE_EXTRA_CA_CERTS !== undefined && { NODE_EXTRA_CA_CERTS }),
    },
  }
}

/** Nova Lite is served through the profile of a geography nearly everywhere. */
function novaLite(region: string): string {
  const geography = { us: 'us.', eu: 'eu.', ap: 'apac.' }[region.split('-')[0] ?? ''] ?? ''
  return `${geography}amazon.nova-lite-v1:0`
}

const attemptsPerCall = 3
/** System prompt, schema, an answer that is shown again, and the provider's own framing: generously. */
const framingTokens = 1_500

/** What it will do and the most it can use, in words. */
export function plan(
  { region, modelId }: AwsTarget,
  patterns: readonly Pattern[],
  messages: Messages,
): string {
  let [calls, most, tokensIn, tokensOut] = [0, 0, 0, 0]
  for (const pattern of patterns) {
    const texts = shareOf(pattern, messages.texts)
    const attempts = pattern.calls * attemptsPerCall * (pattern.hasSchema ? 2 : 1)
    calls += texts.length * pattern.calls
    most += texts.length * attempts
    // A token is a byte at least, so there are never more tokens than bytes.
    for (const text of texts) tokensIn += attempts * (Buffer.byteLength(text) + framingTokens)
    tokensOut += texts.length * attempts * pattern.maxTokens
  }
  return (
    `This asks ${modelId} in ${region}, with your credentials: ${number(calls)} calls ` +
    `(at most ${number(most)} attempts).\n` +
    `Were every attempt to fail and be billed, they could use at most ${number(tokensIn)} tokens in and ${number(tokensOut)} out.`
  )
}

/** Asks on the terminal. @throws UsageError where there is none */
export async function confirm(signal: AbortSignal): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new UsageError('There is no terminal to ask on: add --yes to go on')
  }
  // Not a terminal to the reader: it would take Ctrl-C for itself.
  const reader = createInterface({ input: process.stdin, output: process.stderr, terminal: false })
  try {
    return /^y(es)?$/i.test((await reader.question('Go on? [y/N] ', { signal })).trim())
  } finally {
    reader.close()
  }
}
