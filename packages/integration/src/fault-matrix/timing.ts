/** Times and limits that the parts of the matrix share. */

/** Of a function whose calls are ended after two seconds. What is left is for a machine that is busy elsewhere. */
export const quickTimeoutMs = 12_000
export const reserveMs = 10_000
/** Nothing is to be ended here. */
export const roomyTimeoutMs = 120_000
/** What hangs outlasts the deadline of the calls of a quick function, and not the function. */
export const hangMs = 2_300
/** A stall that ends by itself. */
export const stallMs = 100

export const pieces = 12
/** That requests allow. */
export const maxTokens = 400

/** The name that the words of the second call have. */
export function sideRun({ run }: { readonly run: string }): string {
  return `${run}-side`
}
