/** Whose call it is, as Bedrock's invocation logs can be filtered by. */

import type { Scope } from '@sluice/core'

const maxEntries = 16
const maxLength = 256
const notAllowed = /[^\w :@$#=/+,.-]/g

/**
 * The metadata of a request: the scope's tags and tenant, then its own, made to fit what Bedrock accepts. A tag that is
 * too long or in another script is worth less than the call it belongs to: nothing here is an error.
 */
export function requestMetadataOf(
  { tenant, tags }: Pick<Scope, 'tenant' | 'tags'>,
  own?: Readonly<Record<string, string>>,
): Record<string, string> | undefined {
  const entries = Object.entries({ ...tags, ...(tenant !== undefined && { tenant }), ...own })
    .map(([key, value]) => [fit(key), fit(value)])
    .filter(([key]) => key)
    // What came last is the most specific.
    .slice(-maxEntries)
  return entries.length > 0 ? Object.fromEntries(entries) : undefined
}

function fit(value: unknown): string {
  return typeof value === 'object' ? '' : String(value).slice(0, maxLength).replace(notAllowed, '_')
}
