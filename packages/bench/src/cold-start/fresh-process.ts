import { execFile } from 'node:child_process'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { lambdaEnvironment } from '../lambda-environment.ts'

const execute = promisify(execFile)

// Plain JavaScript on the command line, so that nothing but Node itself is loaded before the clock starts, and
// an exit of its own, so that nothing that a module left open delays the next start.
const timeImport = `
  const startedAt = performance.now()
  await import(process.argv[1])
  process.stdout.write(String(performance.now() - startedAt), () => process.exit())`

const callHandler = `
  const { handler } = await import(process.argv[1])
  const answer = await handler({ text: 'My card was charged twice. I want my money back.' }, { getRemainingTimeInMillis: () => 30_000 })
  process.stdout.write(JSON.stringify(answer), () => process.exit())`

/** Starts a process and answers how long it took to import the file, milliseconds. */
export async function importMs(file: string): Promise<number> {
  return Number(await run(timeImport, file))
}

/** Starts a process that calls the file's handler once, against the given endpoint. */
export async function answerOf(file: string, endpointUrl: string): Promise<{ label?: unknown }> {
  return JSON.parse(await run(callHandler, file, { AWS_ENDPOINT_URL_BEDROCK_RUNTIME: endpointUrl }))
}

async function run(script: string, file: string, environment: Record<string, string> = {}): Promise<string> {
  const { stdout } = await execute(
    process.execPath,
    ['--input-type=module', '--eval', script, pathToFileURL(file).href],
    { env: { ...lambdaEnvironment('us-east-1'), ...environment } },
  )
  return stdout
}
