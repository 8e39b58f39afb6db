/** Middy middleware that streams tokens to the reader of a Lambda response. */

export { type CancelOptions, cancelStream } from './cancel.ts'
export type { StreamEnd, StreamPart, StreamTotals } from './stream-part.ts'
export { type Delivery, type TokenStreamOptions, tokenStream } from './token-stream.ts'
