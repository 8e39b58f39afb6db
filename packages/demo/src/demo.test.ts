import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { startBedrock } from 'sluice/local'
import { expect, onTestFinished, test } from 'vitest'
import type { Report } from './report.ts'

type Child = ChildProcessByStdio<null, Readable, Readable>

/** The demo as a process group of its own, on a machine that has nothing of AWS. */
async function start(argv: readonly string[], environment: Record<string, string> = {}) {
  const temporary = await mkdtemp(join(tmpdir(), 'sluice-demo-test-'))
  const main = fileURLToPath(new URL('./main.ts', import.meta.url))
  const child: Child = spawn(process.execPath, [main, ...argv], {
    env: {
      PATH: process.env.PATH,
      HOME: temporary,
      TMPDIR: temporary,
      AWS_EC2_METADATA_DISABLED: 'true',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  onTestFinished(async () => {
    if (running(child) > 0) process.kill(-child.pid!, 'SIGKILL')
    await rm(temporary, { recursive: true, force: true })
  })
  return { child, left: () => readdir(temporary) }
}

async function run(argv: readonly string[], environment: Record<string, string> = {}) {
  const { child, left } = await start(argv, environment)
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ])
  return { code, output, errors, left: await left() }
}

/** How many processes of its group still run; what has ended and only waits to be collected does not. */
function running({ pid }: Child): number {
  const lines = execFileSync('ps', ['-A', '-o', 'pgid=,stat='], { encoding: 'utf8' }).split('\n')
  return lines.filter((line) => line.trim().startsWith(`${pid} `) && !line.includes('Z')).length
}

const lastLine = (output: string): Report => JSON.parse(output.trim().split('\n').at(-1) ?? '')

test('both accounts are shown, agree to the token, and nothing is left', { timeout: 120_000 }, async () => {
  const { code, output, errors, left } = await run(['--messages', '10', '--json'])
  expect({ code, left }, errors).toEqual({ code: 0, left: [] })
  expect(output).toContain('Endpoint, Sluice and cost meter agree to the token: 42 answers')
  expect(output).toContain('Endpoint and job agree as well: 100 labels')
  expect(output).toMatch(/\n {2}models {2}0\.\d+ {2}in \d+ attempts of 42 calls/)

  const report = lastLine(output)
  expect(report).toMatchObject({ mode: 'local', messages: 10, agree: true, differences: [] })
  const byName = new Map(report.patterns.map((pattern) => [pattern.pattern, pattern]))
  const before = byName.get('sdk-handler, before')
  expect(before).toMatchObject({
    pattern: 'sdk-handler, before',
    events: 10,
    own: null,
    endpoint: { faults: 1 },
  })
  const expected = [
    ['sdk-handler, after', 10, 10],
    ['sqs-batch', 10, 10],
    ['api-inference', 4, 4],
    ['step-functions', 1, 3],
    ['s3-documents', 1, 1],
    ['chat-stream', 2, 2],
  ] as const
  for (const [name, messages, calls] of expected) {
    const pattern = byName.get(name)
    expect(pattern, name).toMatchObject({
      messages,
      own: { calls },
      failed: 0,
      survived: 1,
      endpoint: { requests: calls + 1, answered: calls, faults: 1 },
    })
    expect(pattern?.own).toMatchObject({ attempts: calls + 1, tokens: pattern?.endpoint?.tokens })
    expect(pattern?.endpoint?.tokens.in).toBeGreaterThan(10 * calls)
    expect(Number(pattern?.costUsd)).toBeGreaterThan(0)
  }
  for (const name of ['sqs-deferral', 'shared-quota, before', 'shared-quota, after']) {
    expect(byName.get(name), name).toMatchObject({ messages: 4, failed: 0, own: { answered: 4 } })
  }
  expect(report.patterns).toHaveLength(expected.length + 4)
  const [bedrock, sageMaker] = report.jobs
  expect(bedrock).toMatchObject({ records: 100, labelled: 100, tokens: bedrock?.endpointTokens })
  expect(Number(bedrock?.directUsd)).toBeCloseTo(2 * Number(bedrock?.costUsd), 12)
  expect(sageMaker).toMatchObject({ records: 100, labelled: 100 })
})

test('a quota that is short: with the throttle all are answered, and next to none refused', {
  timeout: 120_000,
}, async () => {
  const { code, output, errors } = await run(['--messages', '120', '--only', 'shared-quota', '--json'])
  expect(code, errors).toBe(0)
  const { patterns, jobs } = lastLine(output)
  const [before, after] = patterns
  expect(patterns.map(({ pattern }) => pattern)).toEqual(['shared-quota, before', 'shared-quota, after'])
  expect(jobs).toEqual([])
  expect(after).toMatchObject({ messages: 48, failed: 0 })
  expect(before?.endpoint?.overQuota).toBeGreaterThan(2)
  expect(after?.endpoint?.overQuota).toBeLessThan((before?.endpoint?.overQuota ?? 0) / 2)
})

test('a stream that breaks off is told to its reader, and to the accounts', {
  timeout: 120_000,
}, async () => {
  const { code, output, errors } = await run(['--messages', '100', '--only', 'chat-stream', '--json'])
  expect(code, errors).toBe(0)
  expect(lastLine(output)).toMatchObject({
    agree: true,
    patterns: [
      {
        messages: 20,
        failed: 1,
        survived: 1,
        reasons: { 'told to the reader: stream_interrupted': 1 },
        endpoint: { faults: 2, lost: 2 },
      },
    ],
  })
})

test('Ctrl-C ends it at once, with every process and file', { timeout: 120_000 }, async () => {
  const { child, left } = await start(['--messages', '60'])
  const output = text(child.stdout)
  for await (const line of createInterface({ input: child.stderr })) {
    if (line.includes('begin to break')) child.kill('SIGINT')
    if (line.includes('Stopped')) break
  }
  const [code] = child.exitCode === null ? await once(child, 'exit') : [child.exitCode]
  expect({ code, output: await output, left: await left() }).toEqual({ code: 130, output: '', left: [] })
  // The bundler's service ends when its pipe does, a moment after the process that held it.
  await expect.poll(() => running(child), { timeout: 5_000 }).toBe(0)
})

const credentials = {
  AWS_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'example',
}

test('with --aws the functions use the credentials and the Region of the user', {
  timeout: 120_000,
}, async () => {
  const bedrock = await startBedrock({ latency: 'none' })
  onTestFinished(bedrock.close)
  const { code, output, errors, left } = await run(['--aws', '--yes', '--messages', '6', '--json'], {
    ...credentials,
    AWS_ENDPOINT_URL_BEDROCK_RUNTIME: bedrock.url,
  })
  expect({ code, left }, errors).toEqual({ code: 0, left: [] })
  expect(output).toContain(
    'This asks eu.amazon.nova-lite-v1:0 in eu-central-1, with your credentials: 19 calls',
  )
  const { patterns, ...report } = lastLine(output)
  expect(report).toMatchObject({ mode: 'aws', messages: 6, agree: null })
  expect(patterns.map(({ pattern, own }) => [pattern, own?.attempts])).toEqual([
    ['sdk-handler, after', 6],
    ['sqs-batch', 6],
    ['chat-stream', 1],
    ['api-inference', 2],
    ['step-functions', 3],
    ['s3-documents', 1],
  ])
  const { models, inputTokens } = bedrock.counters()
  expect(models).toMatchObject({ 'eu.amazon.nova-lite-v1:0': { requests: 19, outcomes: { ok: 19 } } })
  expect(patterns.reduce((sum, { own }) => sum + (own?.tokens.in ?? 0), 0)).toBe(inputTokens)
})

test('when no call can be answered it says why and fails', { timeout: 120_000 }, async () => {
  const bedrock = await startBedrock({
    latency: 'none',
    faults: [
      { fault: 'error', name: 'AccessDeniedException', status: 403, message: 'No access to this model.' },
    ],
  })
  onTestFinished(bedrock.close)
  const { code, output } = await run(['--aws', '--yes', '--messages', '2'], {
    ...credentials,
    AWS_ENDPOINT_URL_BEDROCK_RUNTIME: bedrock.url,
  })
  expect(code).toBe(1)
  expect(output).toContain(
    'Errors in sdk-handler, after: 2 x AccessDeniedException: No access to this model.',
  )
})

test('with --aws it asks before it costs something', async () => {
  const { code, output, errors } = await run(['--aws'], credentials)
  expect(output).toMatch(/57 calls \(at most 210 attempts\)[\s\S]*at most [\d,]+ tokens in and [\d,]+ out/)
  expect({ code, errors }).toEqual({ code: 2, errors: expect.stringContaining('add --yes to go on') })
})

test.for([
  [['--messages', '0'], {}, "--messages needs a whole number from 1 to 5000, not '0'"],
  [
    ['--fast'],
    {},
    "Unknown option '--fast'. The options are: --help, --aws, --yes, --json, --messages, --only",
  ],
  [['fast'], {}, "Unexpected argument 'fast'"],
  [['--only', 'sqs'], {}, "there is no pattern 'sqs', only: sdk-handler, sqs-batch"],
  [['--aws', '--only', 'shared-quota'], {}, '--only shared-quota does not go with --aws'],
  [['--yes'], {}, '--yes only goes with --aws'],
  [['--aws'], {}, '--aws needs a Region: set AWS_REGION'],
  [['--aws'], { AWS_REGION: 'eu-central-1' }, '--aws needs credentials and found none'],
] as const)('%o %o says what is wrong', async ([argv, environment, message]) => {
  const { code, output, errors, left } = await run(argv, environment)
  expect({ code, output, left }).toEqual({ code: 2, output: '', left: [] })
  expect(errors).toContain(`demo: ${message}`)
  expect(errors).toMatch(/\nSee 'pnpm demo --help'\.\n$/)
})

test('--help names every option', async () => {
  const { code, output } = await run(['--', '--help'])
  expect(code).toBe(0)
  for (const option of ['--messages', '--only', '--json', '--aws', '--yes', '--help'])
    expect(output).toContain(`  ${option}`)
})
