/** Where sandboxes keep account of what may be spent: money, or the tokens of a day. */

/** An amount in the smallest unit of its kind (picodollars, tokens), as an exact integer. */
export interface BudgetReservation {
  /** Unique for ever: of this attempt and no other. */
  readonly id: string
  /** The most that it can come to. */
  readonly amount: bigint
  /** When its holder is taken for dead, in milliseconds since the epoch: then `amount` counts as spent. */
  readonly expiresAtMs: number
}

export interface BudgetAccount {
  /** Which budget and which period: `tenant=acme#2026-11`. */
  readonly key: string
  readonly limit: bigint
  /** When nobody will ask for this account any more, in milliseconds since the epoch. */
  readonly forgetAtMs: number
}

export interface BudgetState {
  /** Settled, and what expired unsettled. */
  readonly spent: bigint
  /** Held by those who run. */
  readonly reserved: bigint
}

/**
 * Accounts by key. A reservation is settled exactly once, by its id, however often it is sent and in whatever order:
 * the second settlement, or one that comes after the expiry, only corrects what the first one counted.
 */
export interface BudgetStore {
  /** Reserves in all accounts or in none. The states are as it left them, in the order of the accounts. */
  reserve(
    accounts: readonly BudgetAccount[],
    reservation: BudgetReservation,
    signal?: AbortSignal,
  ): Promise<{
    /** The index of the first account that had no room; undefined when it is reserved. */
    readonly refusedBy: number | undefined
    readonly states: readonly BudgetState[]
  }>
  /** Replaces the reservation by what was spent. May be repeated. */
  settle(
    accounts: readonly BudgetAccount[],
    reservation: BudgetReservation,
    spent: bigint,
    signal?: AbortSignal,
  ): Promise<readonly BudgetState[]>
  read(account: BudgetAccount, signal?: AbortSignal): Promise<BudgetState>
}
