/** A ledger as one item of numbers, and the changes that a table makes to it atomically. */

/** Attributes by name. */
export type Item = Readonly<Record<string, number | string>>

/** What an attribute has to be; one that is not there is only `absent`. */
export interface Comparison {
  readonly attribute: string
  readonly is: '<' | '<=' | '>=' | '=' | 'absent' | 'present'
  readonly value?: number
}

/** True when one of the comparisons is. */
export type Condition = readonly Comparison[]

/** Made at once when all conditions hold, or not at all. No attribute is in more than one of the three. */
export interface ItemUpdate {
  readonly conditions: Condition[]
  /** Added to what is there; nothing there counts as 0. */
  readonly adds: Record<string, number>
  readonly sets: Record<string, number | string>
  readonly removes: string[]
}

/** Where items are. DynamoDB's is `dynamoDBItemTable`. */
export interface ItemTable {
  /**
   * Resolves with the item after the update, or, where a condition did not hold, as it is: empty when there is none.
   * An update that gives something back is sent `once`: after an ambiguous failure it is not sent again.
   */
  update(
    key: string,
    update: ItemUpdate,
    once: boolean,
    signal?: AbortSignal,
  ): Promise<{ readonly done: boolean; readonly item: Item }>
  /** The item; empty when there is none. */
  get(key: string, signal?: AbortSignal): Promise<Item>
  /** Opens the connection. */
  open(): Promise<void>
}

/**
 * When all that is charged will have come back, in microseconds since the epoch; before now: the bucket is full. A take
 * of n tokens moves it by the time in which n tokens come back, so everybody's place in line is a number.
 */
export const tokensAt = 'tokensMicros'
/** The same if whoever runs uses what is expected of it. */
export const expectedAt = 'expectedMicros'
/** The same for requests. */
export const requestsAt = 'requestsMicros'

export function emptyUpdate(): ItemUpdate {
  return { conditions: [], adds: {}, sets: {}, removes: [] }
}

/** Whether a condition holds for an item, as DynamoDB sees it. */
export function holdsFor(condition: Condition, item: Item): boolean {
  return condition.some(({ attribute, is, value = 0 }) => {
    const actual = item[attribute]
    if (is === 'absent') return actual === undefined
    if (is === 'present') return actual !== undefined
    if (typeof actual !== 'number') return false
    if (is === '<') return actual < value
    if (is === '<=') return actual <= value
    return is === '>=' ? actual >= value : actual === value
  })
}

/** The attribute as a number; undefined where there is none. */
export function numberOf(item: Item, attribute: string): number | undefined {
  const value = item[attribute]
  return typeof value === 'number' ? value : undefined
}

/** What is added to one attribute for several reasons is one addition. */
export function add(update: ItemUpdate, attribute: string, amount: number): void {
  update.adds[attribute] = (update.adds[attribute] ?? 0) + amount
}
