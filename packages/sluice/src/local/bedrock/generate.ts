/** Keeps an answer within the limits of its request. */
import type { ModelRequest, Piece, StopReason } from './request.ts'

/** How an answer ended; filled in when its last batch has been read. */
export interface Ending {
  stopReason: StopReason
  stopSequence?: string
}

/** Passes pieces on until the answer ends, `maxTokens` are reached or a stop sequence is met. */
export async function* withinLimits(
  batches: AsyncIterable<readonly Piece[]>,
  { maxTokens = Number.POSITIVE_INFINITY, stopSequences }: Pick<ModelRequest, 'maxTokens' | 'stopSequences'>,
  ending: Ending,
): AsyncIterable<readonly Piece[]> {
  const holdBack = Math.max(0, ...stopSequences.map(({ length }) => length))
  let tokens = 0
  let held: string[] = []

  /** Cuts at the token limit; tells whether the answer goes on. */
  const admit = (out: Piece[], piece: Piece): boolean => {
    if (typeof piece !== 'string') ending.stopReason = 'tool_use'
    else if (tokens++ >= maxTokens) {
      ending.stopReason = 'max_tokens'
      return false
    }
    out.push(piece)
    return true
  }
  /** Lets held text go, but for what may be the head of a stop sequence; tells whether the answer goes on. */
  const release = (out: Piece[], keep: number): boolean => {
    let length = held.reduce((sum, text) => sum + text.length, 0)
    while (held.length > 0 && length - held[0]!.length >= keep) {
      const piece = held.shift()!
      length -= piece.length
      if (!admit(out, piece)) return false
    }
    return true
  }
  const take = (out: Piece[], piece: Piece): boolean => {
    if (holdBack === 0) return admit(out, piece)
    if (typeof piece !== 'string') return release(out, 0) && admit(out, piece)
    held.push(piece)
    const text = held.join('')
    const stop = firstStop(text, stopSequences)
    if (!stop) return release(out, holdBack - 1)
    held = cutAt(held, stop.at)
    if (release(out, 0)) Object.assign(ending, { stopReason: 'stop_sequence', stopSequence: stop.sequence })
    return false
  }

  for await (const batch of batches) {
    const out: Piece[] = []
    const goesOn = batch.every((piece) => take(out, piece))
    if (out.length > 0) yield out
    if (!goesOn) return
  }
  const rest: Piece[] = []
  release(rest, 0)
  if (rest.length > 0) yield rest
}

function firstStop(text: string, sequences: readonly string[]) {
  let first: { at: number; sequence: string } | undefined
  for (const sequence of sequences) {
    const at = text.indexOf(sequence)
    if (at >= 0 && (!first || at < first.at)) first = { at, sequence }
  }
  return first
}

function cutAt(tokens: readonly string[], length: number): string[] {
  const kept: string[] = []
  let left = length
  for (const token of tokens) {
    if (left <= 0) break
    kept.push(token.slice(0, left))
    left -= token.length
  }
  return kept
}
