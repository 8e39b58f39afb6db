/** Words, roughly stemmed, and how alike two texts are by them. */

const STOP_WORDS = new Set(
  `a about all also am an and any are as at be because been but by can could did do does doing for from get got had has
  have he her here him his how i if in into is it its just like me more most my no nor not now of off on once only or
  our out over own please she should so some such than that the their them then there these they this to too under until
  up us very want was we were what when where which while who why will with would you your`.split(/\s+/),
)
const SUFFIX = /(?:ations?|ments?|ings?|ingly|edly|als?|ers?|ies|ied|ions?|es|ed|ly|ity|s|e|y)$/

/** The words of a text that carry meaning, stemmed, in their order. `card_arrival` and `cardArrival` are two words. */
export function stems(text: string): string[] {
  const split = text.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase()
  return (split.match(/[\p{L}\p{N}]+/gu) ?? []).filter((word) => !STOP_WORDS.has(word)).map(stem)
}

function stem(word: string): string {
  const short = word.replace(SUFFIX, '')
  return short.length >= 3 ? short : word
}

/** How strongly a stem is among others: 1 if it is, less if only its beginning is. */
export function presence(stem: string, among: ReadonlySet<string>): number {
  if (among.has(stem)) return 1
  if (stem.length < 4) return 0
  const head = stem.slice(0, 4)
  for (const other of among) if (other.startsWith(head)) return 0.5
  return 0
}
