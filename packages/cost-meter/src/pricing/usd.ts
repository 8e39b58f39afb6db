/**
 * Money, exact. One record is a safe integer of picodollars (1e-12 USD), fine enough for the cheapest token at half
 * price; sums are bigint, for a month of a large pipeline leaves the safe integers behind.
 */

/** Picodollars in a dollar; also: micro-micro, so that USD per million tokens x 1e6 is picodollars per token. */
const picoPerUsd = 1_000_000_000_000n

// Text is made for every record, and making digits is what takes its time: three at a time, each made once.
const padded = new Array<string>(1_000)
const trimmed = new Array<string>(1_000)

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
  const micro = Math.floor(picoUsd / 1e6)
  const whole = Math.floor(micro / 1e6)
  const [first, second] = thousands(micro - whole * 1e6)
  const [third, fourth] = thousands(picoUsd - micro * 1e6)
  if (fourth !== 0) return `${whole}.${three(first)}${three(second)}${three(third)}${last(fourth)}`
  if (third !== 0) return `${whole}.${three(first)}${three(second)}${last(third)}`
  if (second !== 0) return `${whole}.${three(first)}${last(second)}`
  return first === 0 ? `${whole}` : `${whole}.${last(first)}`
}

function bigText(picoUsd: bigint): string {
  const small = Number(picoUsd)
  if (Number.isSafeInteger(small)) return usdText(small)
  if (picoUsd < 0n) return `-${bigText(-picoUsd)}`
  const decimals = Number(picoUsd % picoPerUsd)
  return `${picoUsd / picoPerUsd}${usdText(decimals).slice(1)}`
}

function three(value: number): string {
  padded[value] ??= String(value).padStart(3, '0')
  return padded[value]
}

/** Without the zeros at the end. */
function last(value: number): string {
  trimmed[value] ??= three(value).replace(/0+$/, '')
  return trimmed[value]
}

function thousands(sixDigits: number): [number, number] {
  const upper = Math.floor(sixDigits / 1_000)
  return [upper, sixDigits - upper * 1_000]
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
