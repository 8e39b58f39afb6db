import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, expectTypeOf, test } from 'vitest'
import { type LocalFunction, type LocalOptions, type LocalQueue, startLocal } from './index.ts'
import { isAlive, runScript } from './testing.ts'

const fixture = (name: string) => new URL(`./fixtures/${name}`, import.meta.url)

test('a function reaches Bedrock and SQS through its environment alone, and the types know the names', async () => {
  const local = await startLocal({
    bedrock: { latency: 'none' },
    functions: { every: { handler: fixture('every-service.ts') } },
    queues: { answers: {} },
  })
  expectTypeOf(local.functions).toEqualTypeOf<Readonly<Record<'every', LocalFunction>>>()
  expectTypeOf(local.queues).toEqualTypeOf<Readonly<Record<'answers', LocalQueue>>>()
  expectTypeOf(local.buckets).toEqualTypeOf<Readonly<Record<never, never>>>()
  const text = 'Summarise: the card was declined at the counter.'
  const { error, payload } = await local.functions.every.invoke<string>({ queueName: 'answers', text })
  expect(error).toBeUndefined()
  expect(payload).toMatch(/\w/)
  expect(local.bedrock.counters()).toMatchObject({ requests: 1, outcomes: { ok: 1 } })
  await expect(local.queues.answers.settled({ signal: AbortSignal.timeout(50) })).rejects.toThrow()
  await local.close()
})

test('everything is gone after closing: processes, sockets, timers and files', async () => {
  const TMPDIR = await mkdtemp(join(tmpdir(), 'sluice-test-'))
  const { code, output, errors } = await runScript(fixture('whole-cloud.ts'), {
    TMPDIR,
    // The emulator of SQS loads node:sqlite, about which Node 22 warns.
    NODE_OPTIONS: '--disable-warning=ExperimentalWarning',
  })
  expect({ code, errors }).toEqual({ code: 0, errors: '' })
  const { error, pids, resources } = JSON.parse(output)
  expect(error).toBeUndefined()
  expect(pids.length).toBeGreaterThanOrEqual(4)
  expect(pids.filter(isAlive)).toEqual([])
  // What is left is the pipe that this very line is written to.
  expect(resources.filter((resource: string) => !/^(PipeWrap|FSReqCallback)$/.test(resource))).toEqual([])
  expect(await readdir(TMPDIR)).toEqual([])
  await rm(TMPDIR, { recursive: true })
})

test('a frozen sandbox does not outlive a process that is killed', async () => {
  const TMPDIR = await mkdtemp(join(tmpdir(), 'sluice-test-'))
  const parent = spawn(process.execPath, [fileURLToPath(fixture('abandoned.ts'))], {
    env: { ...process.env, TMPDIR },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(createInterface({ input: parent.stdout }), 'line')
  const [sandbox] = JSON.parse(line)
  expect(sandbox.state).toBe('frozen')
  expect(isAlive(sandbox.pid)).toBe(true)
  parent.kill('SIGKILL')
  await expect.poll(() => isAlive(sandbox.pid), { timeout: 10_000 }).toBe(false)
  await rm(TMPDIR, { recursive: true })
})

test('bad definitions name the option and the value, and leave nothing running', async () => {
  const misspelt = {
    queues: { tickets: { function: 'clasify' } },
    functions: { classify: { handler: 'x.ts' } },
  }
  await expect(startLocal(misspelt as LocalOptions<string, string, string>)).rejects.toThrow(
    "queues.tickets.function is 'clasify', the functions are: classify",
  )
  const missing = startLocal({ functions: { classify: { handler: './missing.ts' } } })
  await expect(missing).rejects.toThrow(TypeError)
  await expect(missing).rejects.toThrow(/functions\.classify\.handler: there is no file .*missing\.ts/)
})

test('the compiler refuses names that do not exist', () => {
  const start = () =>
    startLocal({
      functions: { classify: { handler: 'x.ts' } },
      // @ts-expect-error there is no such function
      queues: { tickets: { function: 'clasify' } },
    })
  expect(start).toBeTypeOf('function')
})
