/** What may be spent: by whom, in which time, and how much. */

import type { Scope } from '@sluice/core'
import { type BudgetPeriod, type Span, spansOf } from './period.ts'

export interface BudgetLimit {
  /**
   * Whose spending is added up: that of each tenant, of each function, of each value of a tag, or of `all` who share the
   * store. Those without a tenant, or without the tag, are one.
   */
  readonly per: 'tenant' | 'function' | 'all' | { readonly tag: string }
  /** `day`, `month`, or a window that rolls: `{ rollingMs: 3_600_000 }`. */
  readonly period: BudgetPeriod
  /**
   * Where the day or the month begins, by its IANA name.
   *
   * @default 'UTC'
   */
  readonly timeZone?: string
  /** Nothing is sent that could take the sum above it, in USD. Default: no hard limit. */
  readonly hardUsd?: BudgetAmount
  /** When this much is spent, there is a warning, in USD. Default: no soft limit. */
  readonly softUsd?: BudgetAmount
  /**
   * Part of the account's key: budgets of the same name on one store are one, also those of several functions.
   *
   * @default made of `per` and `period`: `tenant-month`, `feature-day`, `all-rolling-3600000`
   */
  readonly name?: string
}

/** The same for everybody, or by owner (tenant, function, value of the tag); undefined is no limit for this one. */
export type BudgetAmount = number | ((owner: string) => number | undefined)

/** A limit as it holds for one call. */
export interface Budget {
  readonly name: string
  readonly owner: string
  /** In picodollars. */
  readonly hard: bigint | undefined
  readonly soft: bigint | undefined
  spanAt(nowMs: number): Span
}

/**
 * @returns the budgets of a scope; throws a TypeError when what a function gave is no amount
 * @throws TypeError when a limit cannot be right
 */
export function openLimits(limits: readonly BudgetLimit[]): (scope: Scope) => Budget[] {
  if (!Array.isArray(limits) || limits.length === 0) {
    throw new TypeError(
      "budget: limits is empty. Give one such as { per: 'tenant', period: 'day', hardUsd: 5 }.",
    )
  }
  const open = limits.map((limit, index) => openLimit(limit, `limits[${index}]`))
  const twice = open.find(({ name }, index) => open.findIndex((other) => other.name === name) !== index)
  if (twice)
    throw new TypeError(`budget: two limits are named "${twice.name}". Give one of them another name.`)
  return (scope) => open.flatMap(({ budgetFor }) => budgetFor(scope) ?? [])
}

function openLimit(limit: BudgetLimit, where: string) {
  const { per, period, timeZone = 'UTC', hardUsd, softUsd } = limit
  if (!(typeof per === 'object' ? per?.tag : ['tenant', 'function', 'all'].includes(per))) {
    throw new TypeError(
      `budget: ${where}.per is ${JSON.stringify(per)}. Use 'tenant', 'function', 'all', or { tag } with its name.`,
    )
  }
  const { name = `${typeof per === 'object' ? per.tag : per}-${nameOf(period)}` } = limit
  if (hardUsd === undefined && softUsd === undefined) {
    throw new TypeError(`budget: ${where} limits nothing. Give hardUsd, softUsd, or both.`)
  }
  if (name === '' || name.includes('#')) {
    throw new TypeError(`budget: ${where}.name is ${JSON.stringify(name)}. Give one without "#".`)
  }
  for (const [option, amount] of Object.entries({ hardUsd, softUsd })) {
    if (typeof amount !== 'function') picoUsd(amount, `${where}.${option}`)
  }
  const spanAt = checkedSpans(period, timeZone, where)

  return {
    name,
    budgetFor(scope: Scope): Budget | undefined {
      const owner = ownerOf(per, scope)
      const [hard, soft] = [
        amountOf(hardUsd, owner, `${where}.hardUsd`),
        amountOf(softUsd, owner, `${where}.softUsd`),
      ]
      return hard === undefined && soft === undefined ? undefined : { name, owner, hard, soft, spanAt }
    },
  }
}

function checkedSpans(period: BudgetPeriod, timeZone: string, where: string) {
  const right =
    typeof period === 'object'
      ? Number.isSafeInteger(period?.rollingMs) && period.rollingMs > 0
      : period === 'day' || period === 'month'
  if (!right) {
    throw new TypeError(
      `budget: ${where}.period is ${JSON.stringify(period)}. Use 'day', 'month', or { rollingMs } in milliseconds.`,
    )
  }
  try {
    return spansOf(period, timeZone)
  } catch {
    throw new TypeError(
      `budget: ${where}.timeZone is "${timeZone}". Give an IANA name such as 'Europe/Berlin'.`,
    )
  }
}

function nameOf(period: BudgetPeriod): string {
  return typeof period === 'object' ? `rolling-${period?.rollingMs}` : period
}

/** Nobody escapes a limit by having no name: those are counted together. */
function ownerOf(per: BudgetLimit['per'], { tenant, tags }: Scope): string {
  if (typeof per === 'object') return tags[per.tag] ?? ''
  if (per === 'tenant') return tenant ?? ''
  return per === 'function' ? (process.env.AWS_LAMBDA_FUNCTION_NAME ?? '') : ''
}

function amountOf(amount: BudgetAmount | undefined, owner: string, where: string): bigint | undefined {
  return picoUsd(typeof amount === 'function' ? amount(owner) : amount, where)
}

/** In whole millionths of a dollar, of which a floating-point number is sure. */
export function picoUsd<Amount extends number | undefined>(
  usd: Amount,
  where: string,
): bigint | (Amount & undefined) {
  if (usd === undefined) return usd as Amount & undefined
  const micros = Math.round(usd * 1e6)
  if (!(typeof usd === 'number' && usd >= 0 && Number.isSafeInteger(micros))) {
    throw new TypeError(`budget: ${where} is ${String(usd)}. Give an amount of USD from 0.`)
  }
  return BigInt(micros) * 1_000_000n
}
