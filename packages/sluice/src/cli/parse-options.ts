import { type ParseArgsConfig, parseArgs } from 'node:util'
import { UsageError } from './usage-error.ts'

type Options = NonNullable<ParseArgsConfig['options']>

type Parsed<Known extends Options> = ReturnType<
  typeof parseArgs<{ args: string[]; options: Known; strict: true; allowPositionals: boolean }>
>

/**
 * What was typed after a command.
 *
 * @throws UsageError that names what is wrong, and the options that there are
 */
export function parseOptions<const Known extends Options>(
  argv: readonly string[],
  options: Known,
  helpCommand: string,
  allowPositionals = false,
): Parsed<Known> {
  try {
    return parseArgs({ args: [...argv], options, strict: true as const, allowPositionals })
  } catch (error) {
    // The first sentence names what is wrong, the rest is advice for another kind of program.
    const [problem = ''] = (error as Error).message.split('. ')
    const known = Object.keys(options).map((name) => `--${name}`)
    throw new UsageError(
      `${problem.charAt(0).toLowerCase()}${problem.slice(1)}. The options are: ${known.join(', ')}`,
      helpCommand,
    )
  }
}
