import { help, type Options, parseOptions, UsageError } from './options.ts'

const stop = new AbortController()
// Once: who asks a second time does not want to wait for an orderly end.
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort(name))

async function main(argv: readonly string[]): Promise<number> {
  const options: Options = parseOptions(argv)
  // Only now: what it needs takes longer to load than a wrong option to be told.
  if (!options.help) return (await import('./demo.ts')).demo(options, stop.signal)
  process.stdout.write(help)
  return 0
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (stop.signal.aborted) {
    process.stderr.write('\nStopped; nothing is left running.\n')
    process.exitCode = stop.signal.reason === 'SIGINT' ? 130 : 143
  } else if (error instanceof UsageError) {
    process.stderr.write(`demo: ${error.message}\n`)
    process.exitCode = 2
  } else {
    process.stderr.write(`demo failed: ${(error as Error).stack ?? error}\n`)
    process.exitCode = 1
  }
}
