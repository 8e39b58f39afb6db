import type { Answered } from './letter.ts'

/** The name is what the state machine catches. */
class UngroundedReplyError extends Error {
  override name = 'UngroundedReplyError'
}

/** A reply must say something, and no number that the customer has not written. */
export async function handler(letter: Answered): Promise<Answered> {
  const { text, reply } = letter
  const known = new Set(numbersOf(text))
  const invented = numbersOf(reply).filter((number) => !known.has(number))
  if (reply.trim() === '') throw new UngroundedReplyError('The reply is empty.')
  if (invented.length > 0)
    throw new UngroundedReplyError(`The reply has ${invented.length} invented numbers.`)
  return letter
}

function numbersOf(text: string): string[] {
  return text.match(/\d+(?:[.,]\d+)*/g) ?? []
}
