/**
 * Money, exact. One record is a safe integer of picodollars (1e-12 USD), fine enough for the cheapest token at half
 * price; sums are bigint, for a month of a large pipeline leaves the safe integers behind.
 */

/** Picodollars in a dollar; also: micro-micro, so that USD per million tokens x 1e6 is picodollars per token. */
const picoPerUsd = 1_000_000_000_000n

const zero = '0'.charCodeAt(0)

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
  if (typeof picoUsd === 'bigint') return bigText(picoUsd)
  if (picoUsd < 0) return `-${usdText(-picoUsd)}`
  // In halves of six digits: text of small integers is made many times faster than that of large ones.
  const micro = Math.floor(picoUsd / 1e6)
  const whole = Math.floor(micro / 1e6)
  const high = micro - whole * 1e6
  const low = picoUsd - micro * 1e6
  if (low !== 0) return `${whole}.${sixDigits(high)}${trimmed(sixDigits(low))}`
  return high === 0 ? `${whole}` : `${whole}.${trimmed(sixDigits(high))}`
}

function bigText(picoUsd: bigint): string {
  if (picoUsd < 0n) return `-${bigText(-picoUsd)}`
  const decimals = Number(picoUsd % picoPerUsd)
  return `${picoUsd / picoPerUsd}${usdText(decimals).slice(1)}`
}

function sixDigits(value: number): string {
  return `${1_000_000 + value}`.slice(1)
}

/** Without the zeros at the end. */
function trimmed(digits: string): string {
  let end = digits.length
  while (digits.charCodeAt(end - 1) === zero) end -= 1
  return digits.slice(0, end)
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
