/** Gives calls to sandboxes as Lambda does: to one that is idle, else to a new one, else they wait for one. */

import type { Clock } from '@sluice/core'
import { ShedError } from './policy.ts'
import type { Sandbox } from './sandbox.ts'
import type { Arrival } from './schedule.ts'
import { type Settings, serviceMs } from './settings.ts'

/** A part of a run, from its start on. */
export interface Window {
  readonly fromMs: number
  readonly toMs: number
}

export interface EndedCall {
  readonly arrival: Arrival
  /** From the start of the run on. */
  readonly endedMs: number
  /** Beside the time of the answer itself. */
  readonly waitedMs: number
  /** `late`: its deadline came first. `killed`: its sandbox died, as it was meant to. */
  readonly end: 'ok' | 'shed' | 'late' | 'failed' | 'killed'
}

export interface DispatchOptions {
  readonly clock: Clock
  readonly settings: Pick<Settings, 'deadlineMs'>
  readonly startMs: number
  /** The one that was used last is used first. */
  readonly idle: Sandbox[]
  /** In place of one that died, or, for an empty pool, of one that is not there. */
  open(): Sandbox | undefined
}

/** Resolves when all calls have ended. */
export function dispatch(
  arrivals: readonly Arrival[],
  { clock, settings, startMs, idle, open }: DispatchOptions,
): Promise<EndedCall[]> {
  const ended: EndedCall[] = []
  const queue: Arrival[] = []
  const unlimited = idle.length === 0
  let next = 0
  const done = Promise.withResolvers<EndedCall[]>()

  function arrive(): void {
    for (let due = arrivals[next]; due && startMs + due.atMs <= clock.now(); due = arrivals[++next]) {
      const sandbox = idle.pop() ?? (unlimited ? open() : undefined)
      if (sandbox) void use(sandbox, due)
      else queue.push(due)
    }
    const following = arrivals[next]
    if (following) clock.after(startMs + following.atMs - clock.now(), arrive)
    else if (ended.length === arrivals.length) done.resolve(ended)
  }

  async function use(sandbox: Sandbox, arrival: Arrival): Promise<void> {
    const end = await run(sandbox, arrival)
    const endedMs = clock.now() - startMs
    ended.push({ arrival, endedMs, waitedMs: endedMs - arrival.atMs - serviceMs(arrival.outputTokens), end })
    if (ended.length === arrivals.length) done.resolve(ended)
    const free = end === 'killed' ? open() : sandbox
    const waiting = queue.shift()
    if (free && waiting) void use(free, waiting)
    else if (free) idle.push(free)
  }

  async function run(sandbox: Sandbox, arrival: Arrival): Promise<EndedCall['end']> {
    const deadlineMs = startMs + arrival.atMs + settings.deadlineMs
    if (clock.now() >= deadlineMs) return 'late'
    const killed = Promise.withResolvers<'killed'>()
    const controller = new AbortController()
    const timers = [clock.after(deadlineMs - clock.now(), () => controller.abort())]
    sandbox.onSend = arrival.killed
      ? () => {
          const kill = () => {
            sandbox.die()
            killed.resolve('killed')
          }
          timers.push(clock.after(serviceMs(arrival.outputTokens) / 2, kill))
        }
      : undefined
    const work = { ...arrival, tenantName: `tenant-${arrival.tenant}`, deadlineMs, signal: controller.signal }
    try {
      const end = await Promise.race([sandbox.call(work).then(() => 'ok' as const), killed.promise])
      return end === 'ok' && clock.now() > deadlineMs ? 'late' : end
    } catch (error) {
      if (controller.signal.aborted) return 'late'
      return isShed(error) ? 'shed' : 'failed'
    } finally {
      for (const cancel of timers) cancel()
    }
  }

  arrive()
  return done.promise
}

function isShed(error: unknown): boolean {
  return error instanceof ShedError || (error instanceof Error && error.name === 'QuotaExceededError')
}
