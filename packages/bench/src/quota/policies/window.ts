/** The minute that is counted now. */

import type { Surroundings } from '../policy.ts'

export interface Window {
  readonly key: string
  /** Until the next one, and a little more for each, so that not all who wait come in one moment. */
  leftMs(): number
}

export function windowOf({ clock, account }: Pick<Surroundings, 'clock' | 'account'>): Window {
  const nowMs = clock.now()
  const number = Math.floor(nowMs / 60_000)
  return {
    key: `${account}:${number}`,
    leftMs: () => (number + 1) * 60_000 - nowMs + Math.random() * 2_000,
  }
}
