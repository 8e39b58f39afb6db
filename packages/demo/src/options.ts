import { parseArgs } from 'node:util'
import { localOnly, names } from './names.ts'

export interface Options {
  readonly help: boolean
  readonly aws: boolean
  readonly yes: boolean
  readonly json: boolean
  /** Messages; a pattern that takes long gets a part of them. */
  readonly messages: number
  /** Only the example of this name; undefined for all. */
  readonly only: string | undefined
}

export const help = `pnpm demo: real messages through real Lambda handlers, and what became of every token

Starts a local cloud for each example (a Bedrock endpoint, AWS's Lambda runtime client, a queue, a bucket, a state
machine), sends messages through it, breaks a tenth of the requests halfway, or lets the quota run short, and compares
the endpoint's account with those of Sluice and of its cost meter.
Exits with 1 if they do not agree to the token.

Usage:
  pnpm demo [options]

Options:
  --messages N   messages, 1 to 5000; slow patterns get a part of them  (default: 100; 20 with --aws)
  --only NAME    only this pattern: ${names.slice(0, 5).join(', ')},
                 ${names.slice(5).join(', ')}
  --json         the last line is the result as JSON
  --aws          ask the real Amazon Bedrock, with your credentials and Region; all else stays here
  --yes          with --aws: do not ask before it costs something
  --help         this text

Environment:
  MODEL_ID       the model or inference profile to ask (default: Amazon Nova Lite, in the profile of the Region)
  AWS_PROFILE, AWS_REGION and their like, with --aws
`

/** What was typed cannot be done; the message says what can. */
export class UsageError extends Error {
  constructor(problem: string) {
    super(`${problem}\nSee 'pnpm demo --help'.`)
    this.name = 'UsageError'
  }
}

const known = {
  help: { type: 'boolean', short: 'h', default: false },
  aws: { type: 'boolean', default: false },
  yes: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  messages: { type: 'string' },
  only: { type: 'string' },
} as const

/** @throws UsageError */
export function parseOptions(argv: readonly string[]): Options {
  // `pnpm demo -- --json` hands the dashes on.
  const args = argv[0] === '--' ? argv.slice(1) : [...argv]
  const { messages, only, ...values } = parse(args)
  if (values.yes && !values.aws) throw new UsageError('--yes only goes with --aws')
  if (only !== undefined && !names.includes(only)) {
    throw new UsageError(`there is no pattern '${only}', only: ${names.join(', ')}`)
  }
  if (only !== undefined && values.aws && localOnly.includes(only)) {
    throw new UsageError(`--only ${only} does not go with --aws: it needs a quota or a job of its own`)
  }
  return { ...values, only, messages: messages === undefined ? (values.aws ? 20 : 100) : count(messages) }
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: known, strict: true, allowPositionals: false }).values
  } catch (error) {
    // The first sentence names what is wrong, the rest is advice for another kind of program.
    const [problem = ''] = (error as Error).message.split('. ')
    throw new UsageError(
      `${problem}. The options are: ${Object.keys(known)
        .map((name) => `--${name}`)
        .join(', ')}`,
    )
  }
}

function count(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1 && value <= 5000) return value
  throw new UsageError(`--messages needs a whole number from 1 to 5000, not '${text}'`)
}
