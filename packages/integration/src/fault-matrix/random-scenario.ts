/** A scenario that a seed makes up: several faults at once, and a deadline at any moment. */

import { type FaultRule, seededRandom } from 'sluice/local'
import type { Lane } from './cloud.ts'
import type { MatrixEvent, Way } from './matrix-event.ts'
import type { Scenario } from './scenario.ts'
import { pieces } from './timing.ts'

/** The events of a whole stream, and one more. */
const places = pieces + 5
const stallMs = 30

/** All that can strike: made once, since the endpoint knows a strike by its object. */
export const randomStrikes = {
  /** Of one stream only. The process may have others on its connection. */
  shared: strikesWith({ code: 'CANCEL' }),
  /** Of the whole connection. */
  alone: strikesWith({}),
  /** Silence for ever: only where a deadline ends it. */
  endless: Array.from({ length: places }, (_, afterEvents): FaultRule => ({ fault: 'stall', afterEvents })),
}

function strikesWith(reset: { readonly code?: 'CANCEL' }): readonly FaultRule[] {
  const inside = Array.from({ length: places }, (_, afterEvents): readonly FaultRule[] => [
    { fault: 'cut', afterEvents, ...reset },
    { fault: 'truncate', afterEvents },
    { fault: 'stall', afterEvents, ms: stallMs },
    { fault: 'streamException', afterEvents },
    { fault: 'streamException', afterEvents, name: 'internalServerException' },
    { fault: 'midFrame', afterEvents, ...reset },
    { fault: 'garbage', afterEvents },
  ])
  return [
    ...inside.flat(),
    { fault: 'throttle' },
    { fault: 'error', name: 'ServiceUnavailableException', status: 503 },
    { fault: 'error', name: 'ValidationException', status: 400 },
    { fault: 'slowStart', ms: stallMs },
  ]
}

export function allRandomStrikes(): readonly FaultRule[] {
  return [...randomStrikes.shared, ...randomStrikes.alone, ...randomStrikes.endless]
}

export function randomScenario(seed: number, { mode, shared }: Pick<Lane, 'mode' | 'shared'>): Scenario {
  const random = seededRandom(seed)
  // The first numbers of neighbouring seeds are neighbours.
  for (let index = 0; index < 10; index++) random()
  const chance = (share: number): boolean => random() < share
  const below = (end: number): number => Math.floor(random() * end)
  const one = <Item>(items: readonly Item[]): Item => items[below(items.length)] as Item
  const maybe = <Item>(share: number, item: () => Item): Item | undefined =>
    chance(share) ? item() : undefined

  const deadlineMs = maybe(0.5, () => 1 + below(400))
  const ends = deadlineMs !== undefined
  const leaves = maybe(mode === 'streamed' && !shared ? 0.2 : 0, () =>
    one(['at once', 'after tokens', 'after the last word'] as const),
  )
  const strikes = shared ? randomStrikes.shared : randomStrikes.alone
  const event: Partial<MatrixEvent> = {
    deadlineMs,
    late: ends && chance(0.05),
    throws: maybe(0.15, () => one(['first', 'midway', 'last'] as const)),
    abandons: chance(0.1),
    sideCall: chance(0.2),
    store: maybe(0.2, () => ({ of: one(['take', 'settle', 'cancel'] as const), how: 'throws' as const })),
    sink: maybe(0.2, () => ({ of: one(['attempt', 'side call', 'end'] as const), how: 'throws' as const })),
  }
  const pauseAt = maybe(ends ? 0.3 : 0, () => below(pieces + 1))
  return {
    name: `seed ${seed}`,
    mode,
    place: 'roomy',
    way: one<Way>(mode === 'streamed' ? ['stream', 'client', 'lazy'] : ['stream', 'client', 'lazy', 'whole']),
    event,
    prompt: { pieces: 1 + below(pieces), ...(pauseAt !== undefined && { pauseAt }) },
    strikes: Array.from({ length: below(4) }, () =>
      chance(0.3) ? undefined : one(ends && chance(0.3) ? randomStrikes.endless : strikes),
    ),
    ...(leaves && { leaves }),
    expected: { saw: 'whole', attempts: [] },
  }
}
