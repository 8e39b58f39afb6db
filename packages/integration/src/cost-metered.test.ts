import { text } from 'node:stream/consumers'
import type { CostRecord } from '@sluice/cost-meter'
import { type FaultRule, type FunctionDefinition, startLocal } from 'sluice/local'
import { describe, expect, test } from 'vitest'
import type { MeteredEvent } from './fixtures/cost-metered.ts'
import { closers } from './testing.ts'

interface Line {
  readonly _aws: object
  readonly Answers?: number
  readonly InputTokens: number
  readonly OutputTokens: number
  readonly CostUsd: number
  readonly tenant?: string
  readonly sluice?: CostRecord
}

/** One line, and the invocation that was running when it was written. */
interface Written {
  readonly line: Line
  readonly during: string | undefined
}

const tokenUsd = { input: 0.0000033, output: 0.0000165 }

async function start(
  order: string,
  definition: Partial<FunctionDefinition>,
  faults: readonly FaultRule[] = [],
) {
  const written: Written[] = []
  const local = await startLocal({
    bedrock: { latency: 'none', faults },
    functions: {
      it: {
        handler: new URL('./fixtures/cost-metered.ts', import.meta.url),
        timeoutMs: 20_000,
        environment: { ORDER: order },
        ...definition,
      },
    },
    onLog({ text, requestId }) {
      if (text.startsWith('{')) written.push({ line: JSON.parse(text) as Line, during: requestId })
    },
  })
  closers.push(() => local.close())

  async function send(event: MeteredEvent) {
    const { body, ended, requestId } = await local.functions.it.invokeStream(event)
    const lines = (await text(body)).split('\n')
    expect((await ended).error).toBeUndefined()
    return { event, requestId, told: JSON.parse(lines.at(-1) ?? '') as { requestId: string; usd: string } }
  }

  /** Every invocation's lines hold what the endpoint has counted for it, and nothing else. */
  function check(sent: readonly Awaited<ReturnType<typeof send>>[]): void {
    for (const { event, requestId, told } of sent) {
      const served = local.bedrock.requests().filter(({ metadata }) => metadata?.tenant === event.who)
      const own = written.filter(({ line }) => line.sluice?.requestId === requestId)
      const attempts = own.filter(({ line }) => line.sluice?.kind === 'attempt').map(({ line }) => line)
      expect(served).toHaveLength(2)
      expect(attempts.map(({ InputTokens, OutputTokens }) => [InputTokens, OutputTokens])).toEqual(
        served.map(({ inputTokens, outputTokens }) => [inputTokens, outputTokens]),
      )
      for (const { tenant, CostUsd, InputTokens, OutputTokens } of attempts) {
        expect(tenant).toBe(event.who)
        expect(CostUsd).toBeCloseTo(InputTokens * tokenUsd.input + OutputTokens * tokenUsd.output, 12)
      }
      const kinds = own.map(({ line }) => line.sluice?.kind)
      expect(kinds).toEqual(['attempt', 'call', 'attempt', 'call', 'invocation'])
      const total = own.at(-1)?.line.sluice
      expect(total).toMatchObject({ attempts: 2, calls: 2, cost: { usd: told.usd, unpriced: 0 } })
      expect(told.requestId).toBe(requestId)
      expect(Number(told.usd)).toBeCloseTo(
        attempts.reduce((sum, { CostUsd }) => sum + CostUsd, 0),
        12,
      )
    }
    expect(written.filter(({ line }) => line.sluice)).toHaveLength(sent.length * 5)
  }
  return { local, send, check, written }
}

const events = (count: number): MeteredEvent[] =>
  Array.from({ length: count }, (_, i) => ({
    who: `tenant-${i}`,
    text: `${'Where is my parcel? '.repeat(i + 1)}It was due on Monday.`,
  }))

describe.each(['meter first', 'metrics first'])('streamed answers, %s', (order) => {
  test('one after the other in one sandbox: each has its own lines, and none slips to the next', async () => {
    const { send, check, written } = await start(order, { concurrency: 1 })
    const sent = []
    for (const event of events(3)) sent.push(await send(event))
    check(sent)
    for (const { line, during } of written) {
      if (line.sluice) expect(during).toBe(line.sluice.requestId)
    }
    const theirs = written.filter(({ line }) => line._aws && !line.sluice)
    expect(theirs.map(({ line }) => line.Answers)).toEqual([1, 1, 1])
    expect(theirs.map(({ during }) => during)).toEqual(sent.map(({ requestId }) => requestId))
  })

  test('at once in one process: the same', async () => {
    const managedInstances = { maxConcurrency: 4, workerCount: 1 }
    const { local, send, check } = await start(order, { concurrency: 1, managedInstances }, [
      { fault: 'barrier', count: 4 },
    ])
    const sent = await Promise.all(events(4).map(send))
    expect(local.bedrock.counters().maxOpen).toBe(4)
    check(sent)
  })
})
