/** Sandboxes that die at work. */

import { seededRandom } from '../bedrock/clock.ts'

export interface SandboxKills {
  /** Share of the invocations whose sandbox is killed, from 0 to 1. */
  readonly share: number
  /** It dies at a random moment of the first so many milliseconds. An invocation that is over by then is spared, and the next one is due in its place. */
  readonly withinMs: number
  /** @default 1 */
  readonly seed?: number
  /** Told of each, before it dies. */
  readonly onKill?: (victim: Victim) => void
}

/** The invocation that a sandbox dies in. */
export interface Victim {
  readonly requestId: string
  /** The event, as JSON. */
  readonly event: string
}

/** Who is killed, of all invocations of a function. */
export interface Killer {
  /** Returns what is to be called when the invocation is over. */
  begin(victim: Victim, kill: () => void): () => void
}

export function killing({ share, withinMs, seed = 1, onKill }: SandboxKills): Killer {
  const random = seededRandom(seed)
  let owed = 0

  return {
    begin(victim, kill) {
      if (random() < share) owed += 1
      if (owed === 0) return () => {}
      owed -= 1
      let alive = true
      const timer = setTimeout(() => {
        alive = false
        onKill?.(victim)
        kill()
      }, random() * withinMs)
      return () => {
        clearTimeout(timer)
        if (alive) owed += 1
      }
    },
  }
}

/** @throws TypeError that names the option and the value which cannot work */
export function checkKills({ share, withinMs }: SandboxKills, option: string): void {
  if (!(share >= 0 && share <= 1)) {
    throw new TypeError(`${option}.share must be from 0 to 1, not ${share}`)
  }
  if (!(withinMs >= 0)) throw new TypeError(`${option}.withinMs must be at least zero, not ${withinMs}`)
}
