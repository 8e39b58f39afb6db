import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { BedrockRuntimeClient, ConverseCommand } from '@aws-sdk/client-bedrock-runtime'
import { afterEach, expect, test } from 'vitest'

const children: ChildProcessByStdio<null, Readable, Readable>[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

function start(...argv: string[]): ChildProcessByStdio<null, Readable, Readable> {
  const cli = fileURLToPath(new URL('./cli.ts', import.meta.url))
  const child = spawn(process.execPath, [cli, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] })
  children.push(child)
  return child
}

async function run(...argv: string[]): Promise<{ code: number; output: string; errors: string }> {
  const child = start(...argv)
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ])
  return { code, output, errors }
}

test.for([
  [[], /Usage:[\s\S]*sluice local/],
  [['--help'], /Usage:[\s\S]*sluice local/],
  [['--version'], /^\d+\.\d+\.\d+\n$/],
  [['local', '--help'], /--tokens-per-second N[\s\S]*--quota LIST/],
] as const)('sluice %o prints', async ([argv, expected]) => {
  expect(await run(...argv)).toMatchObject({ code: 0, output: expect.stringMatching(expected), errors: '' })
})

test.for([
  [['lokal'], "there is no command 'lokal', only: cost, local"],
  [['local', '--prt', '1'], "unknown option '--prt'. The options are: --port,"],
  [['local', '--port'], "option '--port <value>' argument missing"],
  [['local', '--port', 'http'], "--port needs a number from 0 to 65535, not 'http'"],
  [['local', '--port', '70000'], "--port needs a number from 0 to 65535, not '70000'"],
  [['local', '--tokens-per-second', '0'], "--tokens-per-second needs a number above 0, not '0'"],
  [['local', '--upstream', 'localhost'], "--upstream needs an http or https address, not 'localhost'"],
  [['local', '--quota', 'tokens=1'], "--quota knows tpm, rpm and tpd, not 'tokens=1'"],
  [['local', '--quota', 'tpm=many'], "--quota tpm needs a number above 0, not 'many'"],
  [['local', 'now'], "unexpected argument 'now'"],
] as const)('sluice %o says what is wrong', async ([argv, message]) => {
  const { code, output, errors } = await run(...argv)
  expect({ code, output }).toEqual({ code: 2, output: '' })
  expect(errors).toContain(`sluice: ${message}`)
  expect(errors).toMatch(/\nSee 'sluice (local )?--help'\.\n$/)
})

test('a port that is taken is said so', async () => {
  const first = start('local')
  const [head] = await once(first.stdout, 'data')
  const port = /:(\d+)\b/.exec(String(head))?.[1] ?? ''
  const { code, errors } = await run('local', '--port', port)
  expect(code).toBe(2)
  expect(errors).toContain(`port ${port} is not free`)
})

test('sluice local answers an SDK, enforces its quota and ends with a table', async () => {
  const child = start('local', '--first-token-ms', '1', '--tokens-per-second', '10000', '--quota', 'rpm=2')
  const output = text(child.stdout)
  const [head] = await once(child.stdout, 'data')
  const exported = [...String(head).matchAll(/^export (\w+)=(.*)$/gm)]
  const environment = Object.fromEntries(exported.map(([, name, value]) => [name, value]))
  const client = new BedrockRuntimeClient({
    endpoint: environment.AWS_ENDPOINT_URL_BEDROCK_RUNTIME,
    region: environment.AWS_REGION,
    credentials: {
      accessKeyId: environment.AWS_ACCESS_KEY_ID,
      secretAccessKey: environment.AWS_SECRET_ACCESS_KEY,
    },
    maxAttempts: 1,
  })
  const command = new ConverseCommand({
    modelId: 'amazon.nova-lite-v1:0',
    messages: [{ role: 'user', content: [{ text: 'Hello' }] }],
  })
  await client.send(command)
  await client.send(command)
  await expect(client.send(command)).rejects.toMatchObject({ name: 'ThrottlingException' })
  client.destroy()
  child.kill('SIGINT')
  const [code] = await once(child, 'exit')
  expect(code).toBe(0)
  const table = (await output).split('\n').slice(-4)
  expect(table[0]).toMatch(/^model +requests +tokens in +tokens out +most open +outcomes$/)
  expect(table[1]).toMatch(/^amazon\.nova-lite-v1:0 +3 +\d+ +\d+ +1 +ok 2, throttled 1$/)
  expect(table[2]).toMatch(/^total +3 /)
})
