/** The cloud that the matrix runs in: one endpoint that strikes by script, and sandboxes that are used again and again. */

import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import type { CostRecord } from '@sluice/cost-meter'
import {
  type FaultRule,
  type FunctionDefinition,
  type Local,
  type LocalModel,
  type RequestRecord,
  startLocal,
} from 'sluice/local'
import type { Mode } from './cell.ts'
import { type Prompt, pieceOf } from './matrix-event.ts'
import type { Scenario } from './scenario.ts'
import { quickTimeoutMs, roomyTimeoutMs } from './timing.ts'

/** Where runs happen, one after the other. */
export interface Lane {
  readonly functionName: string
  readonly mode: Mode
  /** Of its own: what is open there belongs to this lane. */
  readonly modelId: string
  /** Several lanes in one process: what a fault does to the process strikes them all. */
  readonly shared: boolean
}

export interface LanePlan {
  readonly mode: Mode
  readonly place: Scenario['place']
  /** Lanes of one process, which runs them at once; 1 for a sandbox of its own that is frozen in between. */
  readonly lanes: number
}

export interface MatrixLine {
  readonly run?: string
  /** What was metered; or the id of a message that is not done. */
  readonly record?: CostRecord | string
  readonly delivered?: string
  readonly text?: string
  /** Of an invocation that failed. */
  readonly failed?: string
  readonly code?: string
}

export interface MatrixCloud {
  readonly local: Local<string, never, never>
  readonly lanes: readonly Lane[]
  /** What the sandboxes have printed for a run. */
  linesOf(run: string): readonly MatrixLine[]
  /** Resolves once the sandboxes have printed it. */
  printed(run: string, wanted: (line: MatrixLine) => boolean, signal: AbortSignal): Promise<void>
  requestsOf(run: string): readonly RequestRecord[]
  /** What strikes the requests of a run, one after the other. */
  script(run: string, strikes: readonly (FaultRule | undefined)[]): void
  close(): Promise<void>
}

export async function startCloud(
  plans: readonly LanePlan[],
  strikes: readonly FaultRule[],
): Promise<MatrixCloud> {
  const lanes: Lane[] = []
  const functions: Record<string, FunctionDefinition> = {}
  for (const [index, { mode, place, lanes: count }] of plans.entries()) {
    const functionName = `${mode}-${index}`
    for (let lane = 0; lane < count; lane++) {
      lanes.push({ functionName, mode, modelId: `test.${functionName}-${lane}`, shared: count > 1 })
    }
    functions[functionName] = {
      handler: new URL('./handler.ts', import.meta.url),
      exportName: place === 'bounded' ? 'bounded' : mode,
      timeoutMs: place === 'roomy' ? roomyTimeoutMs : quickTimeoutMs,
      // Where many start at once on a busy machine.
      initTimeoutMs: 60_000,
      concurrency: 1,
      environment: { MODELS: lanes.map(({ modelId }) => modelId).join(',') },
      ...(count > 1 && { managedInstances: { maxConcurrency: count, workerCount: 1 } }),
    }
  }

  const lines = new Map<string, MatrixLine[]>()
  const waiting = new Set<() => void>()
  const scripts = new Map<string, (FaultRule | undefined)[]>()
  let drawn: FaultRule | undefined
  /** The first of the rules, which looks what is to strike and never does. */
  const draw: FaultRule = {
    fault: 'refuse',
    when({ metadata }) {
      drawn = scripts.get(metadata?.tenant ?? '')?.shift()
      return false
    },
  }

  const local: Local<string, never, never> = await startLocal({
    bedrock: {
      latency: 'none',
      model: scripted,
      models: Object.fromEntries(lanes.map(({ modelId }) => [modelId, { maxTokens: 1_000 }])),
      faults: [draw, ...strikes.map((strike) => ({ ...strike, when: () => drawn === strike }))],
      keepRequests: 500,
    },
    functions,
    onLog({ text }) {
      if (process.env.MATRIX_LOG) console.error(text.slice(0, 2_000))
      if (!/^\{"(record|run)":/.test(text)) return
      const line = JSON.parse(text) as MatrixLine
      const { record } = line
      // The id of a message begins with its run.
      const run = line.run ?? (typeof record === 'object' ? record.tenant : record?.split('/')[0])
      if (run === undefined) return
      lines.set(run, [...(lines.get(run) ?? []), line])
      for (const look of waiting) look()
    },
  })

  return {
    local,
    lanes,
    linesOf: (run) => lines.get(run) ?? [],
    printed: (run, wanted, signal) =>
      new Promise((resolve, reject) => {
        function look(): void {
          if (!lines.get(run)?.some(wanted) && !signal.aborted) return
          waiting.delete(look)
          if (signal.aborted) reject(signal.reason)
          else resolve()
        }
        waiting.add(look)
        signal.addEventListener('abort', look, { once: true })
        look()
      }),
    requestsOf: (run) => local.bedrock.requests().filter(({ metadata }) => metadata?.tenant === run),
    script: (run, strikes) => void scripts.set(run, [...strikes]),
    close: () => local.close(),
  }
}

/** Says what the prompt wants, and falls silent where the prompt wants that. */
const scripted: LocalModel = async function* ({ turns }, signal) {
  const prompt = JSON.parse(turns.at(-1)?.text ?? '') as Prompt
  for (let index = 0; index <= prompt.pieces; index++) {
    if (index === prompt.pauseAt) await once(signal, 'abort', { signal })
    if (index === prompt.pieces) return
    yield [pieceOf(prompt, index)]
    await setImmediate()
  }
}
