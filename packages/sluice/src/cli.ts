#!/usr/bin/env node
import { createRequire } from 'node:module'
import { costCommand, costHelp } from './cli/cost.ts'
import { localCommand, localHelp } from './cli/local.ts'
import { UsageError } from './cli/usage-error.ts'

const help = `sluice: the development kit of Sluice, AI pipelines on AWS Lambda

Usage:
  sluice local [options]            start a Bedrock endpoint on this machine (sluice local --help)
  sluice cost [options] [FILE ...]  what model calls have cost, from logs (sluice cost --help)
  sluice --version
  sluice --help
`

const commands: Readonly<Record<string, { help: string; run(argv: readonly string[]): Promise<void> }>> = {
  cost: { help: costHelp, run: costCommand },
  local: { help: localHelp, run: localCommand },
}

async function main([name, ...rest]: readonly string[]): Promise<void> {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(help)
  } else if (name === '--version' || name === '-v') {
    process.stdout.write(`${createRequire(import.meta.url)('sluice/package.json').version}\n`)
  } else {
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined
    if (!command) {
      const known = Object.keys(commands).join(', ')
      throw new UsageError(`there is no command '${name}', only: ${known}`, 'sluice --help')
    }
    if (rest.includes('--help') || rest.includes('-h')) process.stdout.write(command.help)
    else await command.run(rest)
  }
}

// Whoever reads has seen enough, as `head` has.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

main(process.argv.slice(2)).catch((error: unknown) => {
  const known = error instanceof UsageError || error instanceof TypeError
  process.stderr.write(
    known ? `sluice: ${error.message}\n` : `sluice failed: ${(error as Error).stack ?? error}\n`,
  )
  process.exitCode = known ? 2 : 1
})
