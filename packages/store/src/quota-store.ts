/** Where sandboxes agree on the rate limits of a model: who may ask now, who waits, and for how long. */

/** One limit of a provider: a bucket of `burst` that refills at `perMinute`. Integers. */
export interface RateLimit {
  readonly perMinute: number
  /** The most that may be taken at once. */
  readonly burst: number
}

export interface QuotaLimits {
  readonly tokens?: RateLimit | undefined
  readonly requests?: RateLimit | undefined
}

/** One attempt that wants to start. */
export interface QuotaTake {
  /** Unique for ever: of this attempt and no other. A waiter asks again with the same one. */
  readonly id: string
  /** What the provider will hold: input, cache and the most the answer can have. An integer. */
  readonly tokens: number
  /** What will probably be left of that once it is settled: for estimates, and for what a lost hold has cost. */
  readonly expectedTokens: number
  /** When the store may take its holder for dead, in milliseconds since the epoch, unless it settles or extends before. */
  readonly expiresAtMs: number
  /** How long it would wait, in milliseconds; with 0 it is admitted or refused. */
  readonly maxWaitMs: number
  /** Who is to get a fair share of what there is. */
  readonly tenant: string
  /** Shares are in proportion to weights. */
  readonly weight: number
  /** Batch work starts when nobody interactive waits. */
  readonly priority: 'interactive' | 'batch'
  /** Admitted and held whatever the limits say: for who only watches. What is too much is a debt of everybody. */
  readonly force?: boolean | undefined
  /** As it came with `waiting`, when asking again. */
  readonly ticket?: string | undefined
}

/** One attempt that ended, or a waiter that left. */
export interface QuotaSettlement {
  readonly id: string
  readonly tokens: number
  readonly expiresAtMs: number
  /** What the provider charges for it in the end; more than `tokens` is a debt of everybody. */
  readonly usedTokens: number
  /** False when nothing was sent: its request is given back as well. */
  readonly sent: boolean
  readonly ticket?: string | undefined
}

/** A holder that is still alive shortly before its hold expires. */
export interface QuotaExtension {
  readonly id: string
  readonly tokens: number
  readonly expectedTokens: number
  readonly expiresAtMs: number
  readonly nextExpiresAtMs: number
}

export type QuotaMode = 'enforce' | 'observe' | 'off'

/**
 * What the sandboxes have learned about the provider together. Its meaning is the throttle's; a store only keeps it.
 * All integers.
 */
export interface QuotaBelief {
  /** Thousandths of the configured rate that are there. */
  readonly ratePermille: number
  /** Thousandths of the configured burst that are there. */
  readonly burstPermille: number
  /** Nobody asks before, in milliseconds since the epoch; 0: nothing is blocked. */
  readonly blockedUntilMs: number
  /** When it was set, in milliseconds since the epoch; 0: never. Also its version. */
  readonly changedAtMs: number
}

/** All that one sandbox has to say at one moment: one operation of the store. */
export interface QuotaChange {
  /** In force now: configured, times what is believed. */
  readonly limits: QuotaLimits
  readonly settlements?: readonly QuotaSettlement[]
  readonly extensions?: readonly QuotaExtension[]
  /** In the order in which they came. */
  readonly takes?: readonly QuotaTake[]
  /** Replaces what is believed, if nobody else has since `ifChangedAtMs`. */
  readonly belief?: { readonly next: QuotaBelief; readonly ifChangedAtMs: number }
  /** Sets what all sandboxes are to do, or, undefined, leaves it. */
  readonly mode?: QuotaMode
}

export type QuotaAnswer =
  /** Held: send now. */
  | { readonly id: string; readonly state: 'admitted' }
  /**
   * In line. Ask again after `askInMs`, with the ticket; where there is a `startInMs`, it is held already and may be
   * sent after that time without asking again. `admitted` resolves when it is held: then it is sent without asking
   * again, too. It may never resolve, so ask after `askInMs` in any case.
   */
  | {
      readonly id: string
      readonly state: 'waiting'
      readonly askInMs: number
      readonly startInMs?: number
      readonly admitted?: Promise<void>
      readonly ticket?: string
    }
  /** Not held, not in line: it would not have started within `maxWaitMs`, or takes more than there ever is. */
  | {
      readonly id: string
      readonly state: 'refused'
      readonly limit: 'tokens' | 'requests' | 'tenant'
      /** When to come back, in milliseconds. `Infinity` for more than the burst. */
      readonly waitMs: number
      /** How much too little is there now, in tokens or requests. */
      readonly overBy: number
    }

/** The ledger as the last operation left it. */
export interface QuotaView {
  /** What could be taken at once; negative while there is debt or a line. */
  readonly tokens: number
  readonly requests: number
  /** Tokens that wait in line. */
  readonly waitingTokens: number
  readonly belief: QuotaBelief
  readonly mode: QuotaMode | undefined
}

export interface QuotaUpdate {
  /** One for each of `takes`, in their order. */
  readonly answers: readonly QuotaAnswer[]
  readonly view: QuotaView
  /** Requests that the backend was sent for it. */
  readonly operations: number
}

/**
 * Ledgers by key. What a ledger must guarantee, whatever happens to its callers, is what `quotaStoreConformance` checks:
 *
 * - what is held and charged never exceeds what the limits have let in (beyond the skew of the clocks times the rate);
 * - takes are admitted under all limits or not at all;
 * - a settlement counts once, also beside the expiry of its own hold;
 * - a holder that died gives back its hold, less what it probably used, soon after `expiresAtMs`;
 * - among those who wait, tenants get shares in proportion to weights, and large takes are not passed over for ever.
 */
export interface QuotaStore {
  /**
   * Settles, extends, then admits as many takes as the limits allow, atomically for each.
   *
   * Rejects when the backend does not answer; then it is unknown whether the change was made. A settlement must not be
   * sent again: what it would have given back comes back when its hold expires.
   */
  update(key: string, change: QuotaChange, signal?: AbortSignal): Promise<QuotaUpdate>
  /** Opens what the first `update` would have to open. Called at init, not awaited. */
  open?(): Promise<void>
}

/** What is believed as long as nobody has learned anything. */
export const noBelief: QuotaBelief = {
  ratePermille: 1000,
  burstPermille: 1000,
  blockedUntilMs: 0,
  changedAtMs: 0,
}
