/**
 * 200 sandboxes on one hard budget: ten are killed with their calls under way, the store fails now and then, before or
 * after it has done what it was asked, and the endpoint refuses some calls.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { systemClock } from '@sluice/core'
import { guarded } from '@sluice/model-invocation/bedrock'
import { type LocalBedrock, type RequestRecord, seededRandom } from 'sluice/local'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { hasJava, startDynamoDB } from '../../store/src/fixtures/dynamodb-local.ts'
import { hasRedis, startRedis } from '../../store/src/fixtures/redis-server.ts'
import { type Backend, openBackend } from './budget-backends.ts'
import { chaosStore, newJournal } from './budget-chaos-store.ts'
import { deadlineMs, hardUsd, runSandbox, type SandboxResult } from './budget-sandbox.ts'
import { closers, newClient, startEndpoint } from './testing.ts'

const sandboxes = 200
const killed = 10
const dayMs = 24 * 60 * 60_000
/** All of it takes place at noon, so that no day turns meanwhile. */
const offsetMs = Math.floor(Date.now() / dayMs) * dayMs + dayMs / 2 - Date.now()
const clock = { ...systemClock, now: () => Date.now() + offsetMs }

/** Each sandbox warns of its store. */
beforeEach(() => {
  vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  closers.push(() => void vi.restoreAllMocks())
})

const backends = {
  dynamodb: { available: hasJava, start: startDynamoDB },
  redis: { available: hasRedis, start: startRedis },
}

describe.each(['dynamodb', 'redis'] as const)('on %s', (kind) => {
  const { available, start } = backends[kind]

  test.runIf(available)(
    'the limit holds, nothing is lost and nothing counts twice',
    async () => {
      const server = await start()
      closers.push(() => server.close())
      const backend: Backend = { kind, url: server.url }
      const opened = openBackend(backend)
      closers.push(opened.close)
      const endpoint = await startEndpoint({
        latency: { firstTokenMs: 20, tokensPerSecond: 2_000 },
        faults: [
          { fault: 'stall', when: ({ metadata }) => metadata?.tenant === 'victim' },
          { fault: 'throttle', probability: 0.05 },
          { fault: 'error', name: 'ServiceUnavailableException', status: 503, probability: 0.05 },
        ],
      })
      const victims = await startVictims(endpoint, backend)

      const client = guarded(newClient(endpoint.url, { maxAttempts: 1 }))
      const journal = newJournal()
      const survivors = Array.from({ length: sandboxes - killed }, (_, index) => {
        const random = seededRandom(index + 1)
        const store = chaosStore(opened.store(clock.now), journal, seededRandom(1_000 + index))
        return runSandbox({ client, store, clock, tenant: 'survivor', calls: 3, random })
      })
      await endpoint.until(({ requests }) => requests > 50)
      const heldByVictims = await victims.kill()
      const results = (await Promise.all(survivors)).reduce(added)
      await endpoint.idle()

      // Something of everything has happened.
      expect(heldByVictims).toHaveLength(killed)
      expect(journal.failures).toBeGreaterThan(20)
      expect(Math.min(...Object.values(results))).toBeGreaterThan(5)

      const made = [...journal.made.values()]
      const [account = ''] = new Set(made.map(({ account }) => account))
      const settled = sum(made.map(({ settled = 0n }) => settled))
      const lost = sum(made.filter(({ lost }) => lost).map(({ amount }) => amount))
      const abandoned = sum(heldByVictims)
      expect(made.every(({ settled, lost }) => (settled === undefined) === (lost === true))).toBe(true)

      // To the token: what was settled is what the endpoint has counted.
      const requests = endpoint.requests()
      const billed = requests.filter(
        ({ outcome, metadata }) => outcome === 'ok' && metadata?.tenant === 'survivor',
      )
      expect(billed).toHaveLength(results.answered)
      expect(settled).toBe(sum(billed.map(priceOf)))

      // The bound: more than the limit only by what cost more than it had reserved.
      const limit = BigInt(hardUsd * 1e6) * 1_000_000n
      const over = sum(made.map(({ amount, settled = 0n }) => (settled > amount ? settled - amount : 0n)))
      const [largest = 0n] = made.map(({ amount }) => amount).toSorted((a, b) => Number(b - a))
      // And next to nothing does.
      expect(over).toBeLessThan(limit / 100n)
      expect(journal.most).toBeLessThanOrEqual(limit + over)
      expect(journal.most).toBeGreaterThan(limit - largest)
      expect(sum(requests.map(priceOf))).toBeLessThanOrEqual(limit + over)

      // What nobody settled is held until it expires, and is spent from then on.
      const stateAt = (afterMs: number) =>
        opened
          .store(() => clock.now() + afterMs)
          .read({ key: account, limit, forgetAtMs: clock.now() + dayMs })
      expect(await stateAt(0)).toEqual({ spent: settled, reserved: lost + abandoned })
      expect(await stateAt(deadlineMs + 10_000 + 30_000)).toEqual({
        spent: settled + lost + abandoned,
        reserved: 0n,
      })
    },
    60_000,
  )
})

/** Ten sandboxes in a process of their own, each with a call that is under way. */
async function startVictims(endpoint: LocalBedrock, backend: Backend) {
  const options = { backend, endpointUrl: endpoint.url, offsetMs, sandboxes: killed }
  const path = fileURLToPath(new URL('./fixtures/budget-victims.ts', import.meta.url))
  const child = spawn(process.execPath, [path, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  closers.push(() => void child.kill('SIGKILL'))
  const exited = once(child, 'exit')
  const output = text(child.stdout)
  await Promise.race([
    endpoint.until(({ open }) => open === killed),
    exited.then(() => expect.unreachable('the victims ended before they were killed')),
  ])
  return {
    /** @returns what each of them holds */
    async kill(): Promise<bigint[]> {
      child.kill('SIGKILL')
      await exited
      return (await output).trim().split('\n').map(BigInt)
    },
  }
}

/** Of the public page: the geographic profile in us-east-1, in picodollars for a token. */
function priceOf({ inputTokens, outputTokens }: RequestRecord): bigint {
  return BigInt(inputTokens) * 3_300_000n + BigInt(outputTokens) * 16_500_000n
}

function sum(amounts: readonly bigint[]): bigint {
  return amounts.reduce((total, amount) => total + amount, 0n)
}

function added(a: SandboxResult, b: SandboxResult): SandboxResult {
  return {
    answered: a.answered + b.answered,
    failed: a.failed + b.failed,
    refused: a.refused + b.refused,
    unreachable: a.unreachable + b.unreachable,
  }
}
