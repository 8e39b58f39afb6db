import { once } from 'node:events'
import { type BedrockOptions, startBedrock } from '../local/bedrock/endpoint.ts'
import { localCredentials } from '../local/lambda/environment.ts'
import { countersLine, countersTable } from './counters-view.ts'
import { parseOptions } from './parse-options.ts'
import { UsageError } from './usage-error.ts'

export const localHelp = `sluice local: a Bedrock endpoint on this machine, for any AWS SDK

Usage:
  sluice local [options]

Options:
  --port N                port to listen on                        (default: a free one)
  --tokens-per-second N   how fast an answer is written            (default: 80)
  --first-token-ms N      how long until its first token           (default: 350)
  --upstream URL          an OpenAI-compatible server that makes the answers
                                                                   (default: a small built-in model)
  --quota LIST            quotas of every model, for example tpm=200000,rpm=100,tpd=5000000
                                                                   (default: none)
  --help                  this text

Ctrl-C ends it and prints what it was asked and what it answered.
`

const options = {
  port: { type: 'string' },
  'tokens-per-second': { type: 'string' },
  'first-token-ms': { type: 'string' },
  upstream: { type: 'string' },
  quota: { type: 'string' },
} as const

/** Runs the endpoint until the process is told to end. */
export async function localCommand(argv: readonly string[]): Promise<void> {
  const settings = bedrockOptions(argv)
  const bedrock = await startBedrock(settings).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE' && error.code !== 'EACCES') throw error
    throw usage(`port ${settings.port} is not free: ${error.message}`)
  })
  const environment = { ...localCredentials, AWS_ENDPOINT_URL_BEDROCK_RUNTIME: bedrock.url }
  const exports = Object.entries(environment).map(([name, value]) => `export ${name}=${value}\n`)
  process.stdout.write(
    `Bedrock listens on ${bedrock.url}. To use it from another shell:\n\n${exports.join('')}\n`,
  )

  const line = process.stdout.isTTY
    ? setInterval(() => process.stdout.write(`\r\x1b[2K${countersLine(bedrock.counters())}`), 250)
    : undefined
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
  clearInterval(line)
  process.stdout.write(`${line ? '\r\x1b[2K' : ''}${countersTable(bedrock.counters())}`)
  await bedrock.close()
}

function bedrockOptions(argv: readonly string[]): BedrockOptions {
  const { values } = parseOptions(argv, options, 'sluice local --help')
  const firstTokenMs = number('--first-token-ms', values['first-token-ms'], 'from 0', (value) => value >= 0)
  const tokensPerSecond = number('--tokens-per-second', values['tokens-per-second'], ...aboveZero)
  const port = number('--port', values.port, 'from 0 to 65535', (value) => value >= 0 && value <= 65_535)
  return {
    ...(port !== undefined && { port }),
    ...((firstTokenMs ?? tokensPerSecond) !== undefined && {
      latency: {
        ...(firstTokenMs !== undefined && { firstTokenMs }),
        ...(tokensPerSecond !== undefined && { tokensPerSecond }),
      },
    }),
    ...(values.upstream !== undefined && { upstream: url(values.upstream) }),
    ...(values.quota !== undefined && { quotas: [quota(values.quota)] }),
  }
}

const aboveZero = ['above 0', (value: number) => value > 0] as const

function number(
  name: string,
  text: string | undefined,
  range: string,
  isInRange: (value: number) => boolean,
): number | undefined {
  if (text === undefined) return undefined
  const value = text.trim() === '' ? Number.NaN : Number(text)
  if (Number.isFinite(value) && isInRange(value)) return value
  throw usage(`${name} needs a number ${range}, not '${text}'`)
}

function url(text: string): string {
  if (URL.canParse(text) && /^https?:/.test(text)) return text
  throw usage(`--upstream needs an http or https address, not '${text}'`)
}

const quotaNames = { tpm: 'tokensPerMinute', rpm: 'requestsPerMinute', tpd: 'tokensPerDay' } as const

function quota(list: string): Record<string, number> {
  return Object.fromEntries(
    list.split(',').map((part) => {
      const [name = '', value] = part.split('=').map((text) => text.trim())
      if (!Object.hasOwn(quotaNames, name)) {
        throw usage(`--quota knows tpm, rpm and tpd, not '${part}'. An example: --quota tpm=200000,rpm=100`)
      }
      return [
        quotaNames[name as keyof typeof quotaNames],
        number(`--quota ${name}`, value ?? '', ...aboveZero) ?? 0,
      ]
    }),
  )
}

function usage(problem: string): UsageError {
  return new UsageError(problem, 'sluice local --help')
}
