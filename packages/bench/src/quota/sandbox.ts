/** One virtual sandbox: one call at a time, clients and a throttle of its own, and a life that may end in the middle. */

import { BedrockRuntimeClient } from '@aws-sdk/client-bedrock-runtime'
import type { QuotaStore } from '@sluice/store'
import type { NodeHttpHandler } from '@smithy/node-http-handler'
import type { CompressedClock } from './compressed-time.ts'
import type { Call, OpenSandbox } from './policy.ts'
import { region, type Settings } from './settings.ts'
import type { OpenStore } from './store.ts'
import type { WindowCounters } from './window-counters.ts'

export interface SandboxOptions {
  readonly settings: Settings
  readonly account: string
  readonly clock: CompressedClock
  /** Of the provider. */
  readonly url: string
  /** Connections of all sandboxes of a process. */
  readonly http: NodeHttpHandler
  readonly store: OpenStore
  readonly open: OpenSandbox
  /** So many requests were sent to the store. */
  requested(count: number): void
}

export interface Sandbox {
  readonly call: Call
  /** Called when a request of the present call goes out. */
  onSend: (() => void) | undefined
  /** Nothing that it says is heard any more. */
  die(): void
}

export function openSandbox({ open, store, http, url, requested, ...options }: SandboxOptions): Sandbox {
  const { clock } = options
  let alive = true

  /** What a dead sandbox asked for, or was about to hear, never comes. */
  async function whileAlive<Value>(ask: () => Promise<Value>): Promise<Value> {
    if (!alive) return new Promise(() => {})
    const value = await ask()
    return alive ? value : new Promise(() => {})
  }
  const quota = store.quota(clock.now)
  const quotaStore: QuotaStore = {
    update: (key, change, signal) =>
      whileAlive(async () => {
        const update = await quota.update(key, change, signal)
        requested(update.operations)
        return update
      }),
  }
  const counters: WindowCounters = {
    add: (window, amount, atMost) =>
      whileAlive(() => {
        requested(1)
        return store.counters.add(window, amount, atMost)
      }),
  }

  const sandbox: Sandbox = {
    onSend: undefined,
    die() {
      alive = false
    },
    call: open({
      ...options,
      quotaStore,
      counters,
      redis: store.redis,
      requested: () => requested(1),
      client: (config) =>
        new BedrockRuntimeClient({
          endpoint: url,
          region,
          credentials: { accessKeyId: 'bench', secretAccessKey: 'bench' },
          requestHandler: {
            metadata: { handlerProtocol: 'http/1.1' },
            handle(...args: Parameters<NodeHttpHandler['handle']>) {
              sandbox.onSend?.()
              return http.handle(...args)
            },
          },
          ...config,
        }),
    }),
  }
  return sandbox
}
