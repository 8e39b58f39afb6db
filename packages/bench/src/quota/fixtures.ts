import type { Settings } from './settings.ts'

/** For tests. */
export function settingsOf(change: Partial<Settings> = {}): Settings {
  return {
    load: 1.2,
    tokensPerMinute: 600_000,
    burstTokens: 600_000,
    maxTokens: 4_096,
    burndown: 5,
    deadlineMs: 60_000,
    sandboxes: 20,
    workers: 1,
    calls: 2_000,
    tenants: [0.5, 0.25, 0.25],
    store: 'memory',
    wrong: undefined,
    kill: 0,
    seed: 1,
    compression: { originMs: 0, factor: 10 },
    ...change,
  }
}
