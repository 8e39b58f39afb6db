/**
 * Money, exact. One record is a safe integer of picodollars (1e-12 USD), fine enough for the cheapest token at half
 * price; sums are bigint, for a month of a large pipeline leaves the safe integers behind.
 */

/** Picodollars in a dollar; also: micro-micro, so that USD per million tokens x 1e6 is picodollars per token. */
const picoPerUsd = 1_000_000_000_000n

const decimalUsd = /^(-?)(\d+)(?:\.(\d{1,12}))?$/

/**
 * Picodollars as decimal text in USD, exact, without trailing zeros.
 *
 * @example
 * ```ts
 * import { usdText } from '@sluice/cost-meter'
 *
 * usdText(10_500_000_000) // '0.0105'
 * ```
 */
export function usdText(picoUsd: number | bigint): string {
  // Strings, not division: every digit stays as it is, and no bigint is made for a number.
  const text = picoUsd.toString()
  const digits = (text.startsWith('-') ? text.slice(1) : text).padStart(13, '0')
  const sign = text.startsWith('-') ? '-' : ''
  const point = digits.length - 12
  let end = digits.length
  while (end > point && digits.charCodeAt(end - 1) === 48) end -= 1
  return sign + digits.slice(0, point) + (end > point ? `.${digits.slice(point, end)}` : '')
}

/**
 * Decimal text in USD as picodollars, exact.
 *
 * @throws TypeError when the text is no decimal number, or has more than 12 decimals
 */
export function picoUsdOf(usd: string): bigint {
  const found = decimalUsd.exec(usd)
  if (!found)
    throw new TypeError(`${JSON.stringify(usd)} is no amount in USD: digits, and at most 12 decimals.`)
  const [, sign, whole = '', decimals = ''] = found
  const pico = BigInt(whole) * picoPerUsd + BigInt(decimals.padEnd(12, '0'))
  return sign ? -pico : pico
}
