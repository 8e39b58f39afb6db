/** Prices per unit, as people write them and as they are reckoned with. */

/** In USD, as on the price page: `3` is 3 USD per million tokens. At most 6 decimals. */
export interface Rates {
  /** Per million tokens, as all buckets of tokens. For embeddings, the tokens of the texts. */
  readonly input?: number
  readonly output?: number
  readonly cacheRead?: number
  readonly cacheWrite5m?: number
  readonly cacheWrite1h?: number
  /** Per image. */
  readonly image?: number
  /** Per call. With it, or with `hour`, buckets without a rate are free; otherwise they are unpriced. */
  readonly call?: number
  /** Per hour of the provider's time: an instance's hourly price divided by the calls that it serves at once. */
  readonly hour?: number
}

/** @internal Picodollars per unit, whole numbers; NaN where there is no rate. */
export interface CompiledRates {
  readonly input: number
  readonly output: number
  readonly cacheRead: number
  readonly cacheWrite5m: number
  readonly cacheWrite1h: number
  readonly image: number
  readonly call: number
  readonly hour: number
}

const perMillion = 1e6
const perOne = 1e12

/** @throws TypeError when a rate is negative, no number, or finer than a picodollar per unit */
export function compileRates(rates: Rates, factor: number, where: string): CompiledRates {
  const missing = rates.call === undefined && rates.hour === undefined ? Number.NaN : 0
  const whole = (name: keyof Rates, picoPerUsd: number, otherwise: number): number => {
    const usd = rates[name]
    return usd === undefined ? otherwise : wholePico(usd, picoPerUsd, factor, `${where}: ${name}`)
  }
  return {
    input: whole('input', perMillion, missing),
    output: whole('output', perMillion, missing),
    cacheRead: whole('cacheRead', perMillion, missing),
    cacheWrite5m: whole('cacheWrite5m', perMillion, missing),
    cacheWrite1h: whole('cacheWrite1h', perMillion, missing),
    image: whole('image', perOne, missing),
    call: whole('call', perOne, 0),
    hour: whole('hour', perOne, 0),
  }
}

function wholePico(usd: number, picoPerUsd: number, factor: number, where: string): number {
  const exact = typeof usd === 'number' && usd >= 0 ? usd * picoPerUsd * factor : Number.NaN
  const pico = Math.round(exact)
  // Decimals are no binary fractions: 3.3 x 1e6 may miss its whole number by a few units in the last place, not more.
  if (Number.isSafeInteger(pico) && Math.abs(exact - pico) <= pico * 1e-12) return pico
  throw new TypeError(`${where} is ${JSON.stringify(usd)}. Give USD from 0, in steps of a millionth.`)
}
