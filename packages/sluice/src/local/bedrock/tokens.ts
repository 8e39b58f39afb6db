/**
 * The tokenizer of the local endpoint: blanks join the token after them, words are cut in pieces of four
 * characters, everything else is a token by itself. It belongs to no real model; what matters is that it is
 * the only one, so counts, quotas and answers always agree.
 */

const PIECE_LENGTH = 4

/** Counts the tokens of a text in one pass, without making strings. */
export function countTokens(text: string): number {
  let count = 0
  for (let at = 0; at < text.length; at = tokenEnd(text, at)) count++
  return count
}

/** Splits a text into its tokens; joined, they are the text again. */
export function splitTokens(text: string): string[] {
  const tokens: string[] = []
  for (let at = 0; at < text.length; ) {
    const end = tokenEnd(text, at)
    tokens.push(text.slice(at, end))
    at = end
  }
  return tokens
}

function tokenEnd(text: string, start: number): number {
  let at = start
  while (at < text.length && isBlank(text.charCodeAt(at))) at++
  if (at === text.length) return at
  const code = text.charCodeAt(at)
  if (!isWord(code)) return isHighSurrogate(code) ? Math.min(at + 2, text.length) : at + 1
  const limit = Math.min(at + PIECE_LENGTH, text.length)
  do at++
  while (at < limit && isWord(text.charCodeAt(at)))
  return at
}

const isBlank = (code: number) => code === 32 || (code >= 9 && code <= 13) || code === 0xa0
const isHighSurrogate = (code: number) => code >= 0xd800 && code <= 0xdbff

function isWord(code: number): boolean {
  if (code < 128)
    return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 48 && code <= 57)
  // Latin, Greek, Cyrillic, Hebrew, Arabic, Indic: alphabets. From 0x2000 on: signs and ideograms, one token each.
  return code >= 0xc0 && code < 0x2000
}
