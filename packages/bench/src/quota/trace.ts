/** Requests of a real service, as `TIMESTAMP,ContextTokens,GeneratedTokens`. */

export interface TracedRequest {
  /** From the first request on. */
  readonly atMs: number
  readonly inputTokens: number
  readonly outputTokens: number
}

/** @throws Error naming the line that cannot be read */
export function readTrace(csv: string): TracedRequest[] {
  const [header = '', ...lines] = csv.trim().split(/\r?\n/)
  if (!/^TIMESTAMP,ContextTokens,GeneratedTokens$/i.test(header.trim())) {
    throw new Error(`A trace begins with TIMESTAMP,ContextTokens,GeneratedTokens, not with "${header}".`)
  }
  let firstMs: number | undefined
  return lines.map((line, index) => {
    const [timestamp = '', context, generated] = line.split(',')
    // Dates have milliseconds; traces have more digits, and no zone.
    const ms = Date.parse(
      `${timestamp
        .trim()
        .replace(' ', 'T')
        .replace(/(\.\d{3})\d*$/, '$1')}Z`,
    )
    const inputTokens = Number(context)
    const outputTokens = Number(generated)
    if (!(Number.isFinite(ms) && inputTokens > 0 && outputTokens > 0)) {
      throw new Error(`Line ${index + 2} of the trace cannot be read: "${line}".`)
    }
    firstMs ??= ms
    return { atMs: ms - firstMs, inputTokens, outputTokens }
  })
}
