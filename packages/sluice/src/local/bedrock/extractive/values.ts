/** Single values in a text: by their format, by their name, or by what stands near. */
import { sentencesOf, topSentences } from './sentences.ts'
import { presence, stems } from './words.ts'

const FORMATS: Record<string, RegExp> = {
  email: /[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+/,
  uri: /https?:\/\/[^\s<>"')]+/,
  url: /https?:\/\/[^\s<>"')]+/,
  'date-time': /\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})/,
  date: /\b\d{4}-\d{2}-\d{2}\b/,
  time: /\b\d{2}:\d{2}(?::\d{2})?\b/,
  uuid: /\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/i,
  phone: /\+?\d[\d ()/-]{6,}\d/,
}
/** What a field's name says of its format. */
const BY_NAME: readonly [RegExp, RegExp][] = [
  [/e-?mail/i, FORMATS.email!],
  [/\b(?:url|uri|link|website)\b/i, FORMATS.uri!],
  [/phone|mobile|fax/i, FORMATS.phone!],
  [/\b(?:date|day|deadline)\b|[dD]ate$|_at$|At$/, /\b\d{4}-\d{2}-\d{2}\b|\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b/],
  [
    /\b(?:id|code|reference|number|order|invoice|sku)\b|Id$|_id$|Number$/i,
    /\b[A-Z]{1,5}[-_]?\d[\w-]*\b|#\d+|\b\d{4,}\b(?!-\d)/,
  ],
  [/currency/i, /\b(?:USD|EUR|GBP|CHF|JPY)\b|[$€£]/],
]
const IS_PERSON = /\b(?:name|customer|person|author|sender|recipient|contact)\b|Name$/i
const IS_SUMMARY =
  /summary|title|subject|headline|description|topic|reason|issue|problem|message|text|quote|evidence/i
const TITLE_WORDS = 8

/** The string that a text gives for a field. */
export function findString(hint: string, name: string, format: string, text: string): string | undefined {
  const formatted = FORMATS[format]
  if (formatted) return formatted.exec(text)?.[0]
  const spaced = spell(name)
  const named = nameIn(spaced, text)
  if (named) return named
  for (const [field, pattern] of BY_NAME) {
    if (field.test(spaced) || field.test(name)) return nearest(pattern, hint, text)
  }
  if (IS_PERSON.test(spaced)) return /\b\p{Lu}\p{Ll}+(?: \p{Lu}\p{Ll}+)+\b/u.exec(text)?.[0]
  const sentences = sentencesOf(text)
  const [best] = topSentences(sentences, 1, hint)
  if (IS_SUMMARY.test(spaced)) {
    return /title|headline|subject|topic/i.test(spaced)
      ? best?.split(/\s+/).slice(0, TITLE_WORDS).join(' ')
      : best
  }
  const words = new Set(stems(best ?? ''))
  return stems(spaced).some((stem) => presence(stem, words) > 0) ? best : undefined
}

/** `Name: Ada`, `name is Ada`, `name = Ada`. */
function nameIn(spaced: string, text: string): string | undefined {
  if (spaced === '') return undefined
  const pattern = spaced.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/ /g, '[ _-]?')
  return new RegExp(
    `\\b${pattern}\\b\\s*(?::|=|\\bis\\b)\\s*["']?([^\\n,;"']+?)["']?(?=[.!?]?(?:\\s*$|\\s*\\n|[.!?] )|[,;"'])`,
    'i',
  )
    .exec(text)?.[1]
    ?.trim()
}

const NUMBER = /(?<![\w.-])[-+]?\d[\d,]*(?:\.\d+)?(?![\w-])/
const NEAR = 40

/** The number that stands nearest to the words of a field, or else the first. */
export function findNumber(hint: string, text: string): number | undefined {
  const digits = nearest(NUMBER, hint, text)
  return digits === undefined ? undefined : toNumber(digits)
}

/** Of all that match, what stands nearest to the words of a hint, or else the first. */
function nearest(pattern: RegExp, hint: string, text: string): string | undefined {
  const wanted = new Set(stems(hint))
  let best: { value: string; score: number } | undefined
  for (const { 0: value, index } of all(pattern, text)) {
    const before = text.slice(Math.max(0, index - NEAR), index)
    const after = text.slice(index + value.length, index + value.length + NEAR)
    const score = closeness(wanted, stems(before).reverse()) + closeness(wanted, stems(after))
    if (!best || score > best.score) best = { value, score }
  }
  return best?.value
}

/** 1 for a wanted word that comes first, half of that for one that comes second, and so on. */
const closeness = (wanted: ReadonlySet<string>, words: readonly string[]) =>
  words.reduce((sum, word, index) => sum + presence(word, wanted) / (index + 1), 0)

const all = (pattern: RegExp, text: string) => text.matchAll(new RegExp(pattern, `${pattern.flags}g`))

/** All numbers of a text. */
export const numbersOf = (text: string): number[] =>
  [...all(NUMBER, text)].map(([digits]) => toNumber(digits))

const toNumber = (digits: string) => Number(digits.replaceAll(',', ''))

const NEGATION = /\b(?:no|not|never|without|isn't|wasn't|don't|doesn't|didn't|cannot|can't|won't)\b/i

/** Whether a text says a thing: true if it names it, false if it names and denies it. */
export function findBoolean(hint: string, text: string): boolean | undefined {
  const wanted = stems(hint.replace(/\b(?:is|has|was|are|whether|true|false|if)\b|^is(?=[A-Z_])/g, ' '))
  for (const sentence of sentencesOf(text)) {
    const words = new Set(stems(sentence))
    if (wanted.some((stem) => presence(stem, words) === 1)) return !NEGATION.test(sentence)
  }
  return undefined
}

/** What a list of strings can be filled with: all values of the field's format, or the words used most. */
export function keyTerms(name: string, text: string): string[] {
  const spaced = spell(name)
  for (const [field, pattern] of BY_NAME) {
    if (field.test(spaced)) return [...all(pattern, text)].map(([value]) => value)
  }
  const seen = new Map<string, { word: string; count: number }>()
  for (const word of text.match(/\p{L}[\p{L}\p{N}'-]{2,}/gu) ?? []) {
    const [stem] = stems(word)
    if (!stem) continue
    const known = seen.get(stem)
    if (known) known.count++
    else seen.set(stem, { word: word.toLowerCase(), count: 1 })
  }
  return [...seen.values()].sort((a, b) => b.count - a.count).map(({ word }) => word)
}

const spell = (name: string) =>
  name
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .replace(/[_-]+/g, ' ')
    .toLowerCase()
