#!/usr/bin/env node
import { createRequire } from 'node:module'
import { localCommand, localHelp } from './cli/local.ts'
import { UsageError } from './cli/usage-error.ts'

const help = `sluice: the development kit of Sluice, AI pipelines on AWS Lambda

Usage:
  sluice local [options]   start a Bedrock endpoint on this machine (sluice local --help)
  sluice --version
  sluice --help
`

async function main([command, ...rest]: readonly string[]): Promise<void> {
  if (command === undefined || command === '--help' || command === '-h' || command === 'help') {
    process.stdout.write(help)
  } else if (command === '--version' || command === '-v') {
    process.stdout.write(`${createRequire(import.meta.url)('sluice/package.json').version}\n`)
  } else if (command !== 'local') {
    throw new UsageError(`there is no command '${command}', only: local`, 'sluice --help')
  } else if (rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(localHelp)
  } else {
    await localCommand(rest)
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  const known = error instanceof UsageError || error instanceof TypeError
  process.stderr.write(
    known ? `sluice: ${error.message}\n` : `sluice failed: ${(error as Error).stack ?? error}\n`,
  )
  process.exitCode = known ? 2 : 1
})
