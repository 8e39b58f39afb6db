/** Some of the sandboxes of a run, in a process of their own, driven over the IPC channel by `worker-process.ts`. */

import { once } from 'node:events'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import { compressedClock } from './compressed-time.ts'
import { dispatch, type EndedCall, type Window } from './dispatch.ts'
import { type OpenSandbox, type PolicyName, policyModules } from './policy.ts'
import { openSandbox, type Sandbox } from './sandbox.ts'
import type { Arrival } from './schedule.ts'
import type { StoreAddress } from './servers.ts'
import type { Settings } from './settings.ts'
import { openStore } from './store.ts'

export interface Orders {
  readonly settings: Settings
  readonly policy: PolicyName
  readonly account: string
  readonly url: string
  readonly address: StoreAddress
  readonly sandboxes: number
  /** What is measured. */
  readonly window: Window
  readonly arrivals: readonly Arrival[]
  readonly foreign: readonly Arrival[]
}

/** When all workers are ready: when time begins, in milliseconds since the epoch. */
export interface Start {
  readonly startMs: number
}

export interface WorkerReport {
  readonly calls: readonly EndedCall[]
  /** Requests to the store within the window. */
  readonly operations: number
  /** The longest that this process was late, in real milliseconds: then it was the machine that was measured. */
  readonly lateMs: number
}

export type Message = { ready: true } | { report: WorkerReport } | { error: string }

const warmUpCalls = 200

// Each of hundreds of sandboxes would warn once.
process.emitWarning = () => {}
process.on('disconnect', () => process.exit())
process.once('message', (orders: Orders) => {
  work(orders).then(
    (report) => send({ report }),
    (error: unknown) => send({ error: (error instanceof Error && error.stack) || String(error) }),
  )
})

function send(message: Message): void {
  process.send?.(message)
}

async function work(orders: Orders): Promise<WorkerReport> {
  const { settings, url, address, window } = orders
  const clock = compressedClock(settings.compression)
  const store = await openStore(address)
  const http = new NodeHttpHandler({ httpAgent: { keepAlive: true, maxSockets: 4_000 } })
  let startMs = Infinity
  let operations = 0
  const requested = (count: number) => {
    const atMs = clock.now() - startMs
    if (atMs >= window.fromMs && atMs < window.toMs) operations += count
  }
  async function opener(policy: PolicyName) {
    const { openSandbox: open } = (await import(policyModules[policy])) as { openSandbox: OpenSandbox }
    return (account: string): Sandbox =>
      openSandbox({ settings, account, clock, url, http, store, open, requested })
  }
  const open = await opener(orders.policy)
  const openOther = await opener('sdk-standard')
  const idle = Array.from({ length: orders.sandboxes }, () => open(orders.account))

  // On a ledger of its own, and before the provider forgets it all.
  const warmUp = orders.arrivals
    .slice(0, warmUpCalls)
    .map((arrival) => ({ ...arrival, atMs: 0, killed: false }))
  const warmUpPool = Array.from({ length: 20 }, () => open(`${orders.account}-warm-up`))
  await dispatch(warmUp, { clock, settings, startMs: clock.now(), idle: warmUpPool, open: () => undefined })

  send({ ready: true })
  ;[{ startMs }] = (await once(process, 'message')) as [Start]
  const late = monitorEventLoopDelay({ resolution: 10 })
  late.enable()
  const [calls] = await Promise.all([
    dispatch(orders.arrivals, { clock, settings, startMs, idle, open: () => open(orders.account) }),
    // Nobody waits for their sandboxes.
    dispatch(orders.foreign, { clock, settings, startMs, idle: [], open: () => openOther('foreign') }),
  ])
  late.disable()
  await store.close()
  http.destroy()
  return { calls, operations, lateMs: Math.round(late.max / 1e6) }
}
