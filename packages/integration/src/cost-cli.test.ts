import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { startLocal } from 'sluice/local'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { type CostStreams, costCommand } from '../../sluice/src/cli/cost.ts'
import { UsageError } from '../../sluice/src/cli/usage-error.ts'
import type { LoggedEvent } from './fixtures/cost-logged.ts'
import type { MeteredEvent } from './fixtures/cost-metered.ts'

/** What two functions have written to their logs, one as metrics and one by a logger. */
const lines: string[] = []
/** What the endpoint has counted for the tenants. */
let served: { tenant: string | undefined; inputTokens: number; outputTokens: number }[] = []

beforeAll(async () => {
  const fixture = (name: string) => new URL(`./fixtures/${name}.ts`, import.meta.url)
  const local = await startLocal({
    bedrock: {
      latency: 'none',
      models: { 'test.unknown-v1:0': {} },
      // Its answer is made, and lost on the way.
      faults: [
        {
          fault: 'cut',
          operation: 'converse',
          when: ({ metadata }) => metadata?.tenant === 'unlucky',
          first: 1,
        },
      ],
    },
    functions: {
      metered: { handler: fixture('cost-metered'), timeoutMs: 20_000, concurrency: 1 },
      logged: { handler: fixture('cost-logged'), timeoutMs: 20_000, concurrency: 1 },
    },
    onLog: ({ text }) => {
      lines.push(text)
    },
  })
  const { metered, logged } = local.functions
  const { body } = await metered.invokeStream({
    who: 'acme',
    text: 'My card is lost.',
  } satisfies MeteredEvent)
  await text(body)
  const events: LoggedEvent[] = [
    { tenant: 'globex', does: 'ask' },
    { tenant: 'globex', does: 'leave' },
    { tenant: 'unlucky', does: 'ask' },
    { tenant: 'initech', does: 'ask an unknown model' },
  ]
  for (const event of events) expect((await logged.invoke(event)).error).toBeUndefined()
  await local.bedrock.idle()
  served = local.bedrock.requests().map(({ metadata, inputTokens, outputTokens }) => ({
    tenant: metadata?.tenant,
    inputTokens,
    outputTokens,
  }))
  await local.close()
}, 60_000)

interface Report {
  readonly total: { readonly usd: string; readonly attempts: number; readonly unpriced: number }
  readonly by: Record<
    string,
    Record<string, { readonly usd: string; inputTokens: number; outputTokens: number }>
  >
  readonly lost: Record<'retries' | 'aborts', { readonly attempts: number; readonly usd: string }>
  readonly oversizedMaxTokens: { readonly answers: number; readonly tokens: number }
  readonly calls: object
  readonly lambda: { readonly invocations: number; readonly usd: string; readonly waitingUsd: string }
  readonly unpricedModels: string[]
}

interface Ran {
  readonly code: number
  readonly output: string
  readonly errors: string
}

/** The command in this process; one test below runs the real one. */
async function sluice(argv: readonly string[], input = ''): Promise<Ran> {
  const ran = { code: 0, output: '', errors: '' }
  const [stdout, stderr] = (['output', 'errors'] as const).map((name) => ({
    write(text: string) {
      ran[name] += text
    },
  })) as [CostStreams['stdout'], CostStreams['stderr']]
  try {
    await costCommand(argv, { stdin: Readable.from([Buffer.from(input)]), stdout, stderr })
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    return { ...ran, code: 2, errors: error.message }
  }
  return ran
}

test('as a command, between pipes', async () => {
  const cli = fileURLToPath(new URL('../../sluice/src/cli.ts', import.meta.url))
  const child = spawn(process.execPath, [cli, 'cost', '--json'])
  child.stdin.end(lines.join('\n'))
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ])
  expect({ code, errors }).toEqual({ code: 0, errors: '' })
  expect(output).toBe((await sluice(['--json'], lines.join('\n'))).output)
})

async function report(argv: readonly string[], input = ''): Promise<Report> {
  const { code, output, errors } = await sluice(['--json', ...argv], input)
  expect({ code, errors }).toEqual({ code: 0, errors: '' })
  return JSON.parse(output) as Report
}

function file(name: string, content: string | Buffer): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-cost-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}

test('the real logs of two functions add up to what the endpoint has counted', async () => {
  const { total, by, lost, oversizedMaxTokens, calls, lambda, unpricedModels } = await report(
    [],
    lines.join('\n'),
  )
  expect(total).toMatchObject({ attempts: 7, unpriced: 1 })
  expect(Object.keys(by.tenant ?? {}).toSorted()).toEqual(['acme', 'globex', 'initech', 'unlucky'])
  const sum = (tenant: string, bucket: 'inputTokens' | 'outputTokens') =>
    served.filter((one) => one.tenant === tenant).reduce((sum, one) => sum + one[bucket], 0)
  for (const tenant of ['acme', 'initech']) {
    const { inputTokens, outputTokens } = by.tenant?.[tenant] ?? {}
    expect([inputTokens, outputTokens]).toEqual([sum(tenant, 'inputTokens'), sum(tenant, 'outputTokens')])
  }
  expect(by.tenant?.initech?.usd).toBe('0')
  expect(unpricedModels).toEqual(['test.unknown-v1:0'])
  expect(lost).toMatchObject({ retries: { attempts: 1 }, aborts: { attempts: 1 } })
  expect(Number(lost.retries.usd)).toBeGreaterThan(0)
  expect(oversizedMaxTokens).toMatchObject({ answers: 5 })
  expect(calls).toEqual({ ended: 6, failed: 0, cached: 0, shed: 0 })
  expect(lambda.invocations).toBe(5)
  expect(Number(lambda.waitingUsd)).toBeGreaterThan(0)
  expect(Number(lambda.usd)).toBeGreaterThan(Number(lambda.waitingUsd))
})

test('they are found behind time stamps, in exports and in packed files, and counted once', async () => {
  const expected = await report([], lines.join('\n'))
  const tailed = lines.map((line) => `2026-11-21T10:00:00.000000+00:00 2026/11/21/[$LATEST]ab {x} ${line}`)
  const exported = {
    events: lines.map((message) => ({ logStreamName: 's', timestamp: 1, message: `${message}\n` })),
  }
  const rows = lines.map((message) => JSON.stringify({ '@timestamp': '2026-11-21', message }))
  const written = [
    file('tail.log', tailed.join('\r\n')),
    file('export.json', JSON.stringify(exported, undefined, 2)),
    file('rows.jsonl', rows.join('\n')),
    file('packed.log.gz', gzipSync(lines.join('\n'))),
  ]
  for (const path of written) expect(await report([path])).toEqual(expected)
  expect(await report(written)).toEqual(expected)
  expect(await report(['-', written[0] ?? ''], lines.slice(0, 5).join('\n'))).toEqual(expected)
})

test('for people: tables, a plot of the days, and what was lost', async () => {
  const { code, output, errors } = await sluice(
    ['--by', 'tenant,model,route,tag:feature,day'],
    lines.join('\n'),
  )
  expect({ code, errors }).toEqual({ code: 0, errors: '' })
  expect(output).toMatch(/^models {2}0\.\d{6} {2}in 7 attempts of 6 calls/)
  expect(output).toMatch(/Lambda {2}0\.\d{6} {2}in 5 invocations, \d+ % of it waiting/)
  expect(output).toMatch(/UNPRICED: 1 attempts are in no sum: test\.unknown-v1:0/)
  expect(output).toMatch(/^tenant +USD +attempts +tokens in +tokens out\nacme /m)
  expect(output).toMatch(/^initech +0\.000000 .* 1 unpriced$/m)
  expect(output).toMatch(/^feature=triage ConverseStream amazon\.nova-lite-v1:0 +0\.\d+ +1 /m)
  expect(output).toMatch(/^triage +0\.\d+ +5 /m)
  expect(output).toMatch(/^\d{4}-\d{2}-\d{2} +0\.\d{6} {2}█+$/m)
  expect(output).toMatch(/^retries +0\.\d{6} +\d+\.\d % +0\.\d{6} {2}1 attempts$/m)
  expect(output).toMatch(/maxTokens held \d+ tokens more of your quota than 5 answers had/)

  const short = await sluice(['--by', 'tenant', '--top', '1'], lines.join('\n'))
  expect(short.output).toMatch(/\nacme .*\nand 3 more \(--top 4\)\n/)
})

test('who waits at a terminal sees how far it has come, and no trace of that afterwards', async () => {
  const written: string[] = []
  const out = {
    isTTY: true,
    write(text: string) {
      written.push(text)
    },
  }
  const input = `${'START\n'.repeat(50_000)}${lines.join('\n')}`
  const stdin = Readable.from([Buffer.from(input)])
  await costCommand([], { stdin, stdout: { write() {} }, stderr: out })
  expect(written).toEqual(['\r\x1b[2K50000 lines, 0 MB', '\r\x1b[2K'])
})

test('days are chosen by UTC, both ends included', async () => {
  const times = lines
    .filter((line) => line.includes('"sluice":{'))
    .map((line) => (JSON.parse(line) as { sluice: { startedAtMs: number } }).sluice.startedAtMs)
  const day = (atMs: number) => new Date(atMs).toISOString().slice(0, 10)
  const [first, last] = [day(Math.min(...times)), day(Math.max(...times))]
  const all = lines.join('\n')
  expect((await report(['--since', first, '--until', last], all)).total.attempts).toBe(7)
  const next = day(Math.max(...times) + 86_400_000)
  const { code, errors } = await sluice(['--since', next], all)
  expect(code).toBe(2)
  expect(errors).toMatch(/there is no cost record in \d+ lines, 18 of other days/)
})

test.for([
  [['--by', 'colour'], /--by knows tenant, model, day, route and tag:NAME, not 'colour'/],
  [['--top', '0'], /--top needs a whole number above 0, not '0'/],
  [['--since', '2026-02-30'], /--since needs a day such as 2026-11-01, not '2026-02-30'/],
  [['--sinse', '2026-02-03'], /unknown option '--sinse'\. The options are: --by, --since/],
  [['no-such.log'], /cannot read no-such\.log: ENOENT/],
  [
    ['-'],
    /there is no cost record in 1 lines\. costMeter\(\{ metrics \}\) or costMeter\(\{ logger \}\) writes them/,
  ],
] as const)('sluice cost %o says what is wrong', async ([argv, message]) => {
  const { code, output, errors } = await sluice(argv, 'START RequestId: 1')
  expect({ code, output }).toEqual({ code: 2, output: '' })
  expect(errors).toMatch(message)
  expect(errors).toMatch(/\nSee 'sluice cost --help'\.$/)
})

test('a packed file that is damaged and a line that was cut are said so', async () => {
  const packed = gzipSync(lines.join('\n'))
  const damaged = await sluice([file('half.gz', packed.subarray(0, packed.length / 2))])
  expect(damaged.code).toBe(2)
  expect(damaged.errors).toMatch(/cannot read .*half\.gz: unexpected end of file/)

  const lastRecord = lines.findLastIndex((line) => line.includes('"sluice":{'))
  const cut = lines.map((line, i) => (i === lastRecord ? line.slice(0, line.length - 40) : line))
  const { code, errors } = await sluice([], cut.join('\n'))
  expect(code).toBe(0)
  expect(errors).toMatch(/1 lines could not be read and are in no sum/)
})
