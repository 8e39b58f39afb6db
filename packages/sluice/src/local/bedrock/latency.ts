/** How fast the local model answers. */
import type { Clock } from './clock.ts'

/** A latency like a real model's. */
export interface Latency {
  /** From the request to the first token. @default 350 */
  firstTokenMs?: number
  /** @default 80 */
  tokensPerSecond?: number
  /** Share by which each of these waits varies, both ways. @default 0.2 */
  jitter?: number
}

/** Lets the pieces of an answer through at the model's pace. */
export type Pace = <Piece>(
  batches: AsyncIterable<readonly Piece[]>,
  signal: AbortSignal,
  /** Pieces due within so many milliseconds may come together: a reader of whole answers needs no more. */
  grainMs: number,
) => AsyncIterable<readonly Piece[]>

/** Makes the pace of a latency; `'none'` lets everything through at once. */
export function paceOf(latency: Latency | 'none', clock: Clock, random: () => number): Pace {
  if (latency === 'none') return (batches) => batches
  const { firstTokenMs = 350, tokensPerSecond = 80, jitter = 0.2 } = latency
  check('firstTokenMs', firstTokenMs, firstTokenMs >= 0)
  check('tokensPerSecond', tokensPerSecond, tokensPerSecond > 0)
  check('jitter', jitter, jitter >= 0 && jitter <= 1)
  const gapMs = 1000 / tokensPerSecond
  const vary = (ms: number) => ms * (1 + jitter * (2 * random() - 1))

  return async function* pace(batches, signal, grainMs) {
    let due = clock.now() + vary(firstTokenMs)
    for await (const batch of batches) {
      let ready = 0
      for (let taken = 0; taken < batch.length; taken = ready) {
        let now = clock.now()
        if (due > now) {
          await clock.sleep(Math.max(due - now, grainMs), signal)
          now = clock.now()
        }
        // A late timer is made good here: everything that is due by now goes out together.
        do {
          ready++
          due += vary(gapMs)
        } while (ready < batch.length && due <= now)
        yield batch.slice(taken, ready)
      }
    }
  }
}

function check(option: string, value: number, ok: boolean): void {
  if (!ok) throw new TypeError(`latency.${option} is ${value}`)
}
