/** Labels: finding those that a prompt offers, and the one that fits a text best. */
import { presence, stems } from './words.ts'

const OFFER_WITH_COLON =
  /\b(?:one of|either|labels?|categor(?:y|ies)|class(?:es)?|intents?|options|topics?|sentiments?|tags?|choose|pick|into|as)\b[^:.\n]{0,80}?(?::|=)\s*(\[[^\]]*\]|[^\n]*(?:\n\s*(?:[-*•]|\d+[.)])[^\n]*)*)/gi
const OFFER_IN_LINE =
  /\b(?:one of|either|as|into|between|among)\s+(?:the following\s+|these\s+)?([^:.\n?!]+)/gi
const ASKS_FOR_LABEL = /classif|categor|label|sentiment|intent|choose|pick|route|\btag\b|one of|which of/i
const NOTHING_FITS = /^(?:other|unknown|none|neutral|general|misc|n\/a)/i

/** The labels that a prompt offers, and where in it they stand; nothing if it offers none. */
export function offeredLabels(prompt: string): { labels: string[]; clause: string } | undefined {
  if (!ASKS_FOR_LABEL.test(prompt)) return undefined
  for (const pattern of [OFFER_WITH_COLON, OFFER_IN_LINE]) {
    for (const match of prompt.matchAll(pattern)) {
      const labels = splitList(match[1] ?? '')
      if (labels.length >= 2 && labels.every((label) => label.length <= 60))
        return { labels, clause: match[0] }
    }
  }
  return undefined
}

function splitList(list: string): string[] {
  const isBulleted = /\n\s*(?:[-*•]|\d+[.)])/.test(list)
  const items = isBulleted
    ? list.split(/\n\s*(?:[-*•]|\d+[.)])/)
    : list.split(/[.!?](?:\s|$)/, 1)[0]!.split(/,\s*(?:or|and)\s+|[,|;/]|\s+or\s+|\s+and\s+/)
  const clean = items.map((item) => item.replace(/^[\s"'`[(]+|[\s"'`\])}.:]+$/g, ''))
  return [...new Set(clean.filter((item) => item !== ''))]
}

/** The label that fits a text best, and how well; a label for "nothing fits" is taken when nothing does. */
export function bestLabel(labels: readonly string[], text: string): { label: string; score: number } {
  const ranked = rankLabels(labels, text)
  const best = ranked.reduce((top, next) => (next.score > top.score ? next : top))
  if (best.score > 0) return best
  return { label: labels.find((label) => NOTHING_FITS.test(label)) ?? labels[0]!, score: 0 }
}

/** How well each label fits a text, 0 for not at all. Words that few labels have weigh more. */
export function rankLabels(labels: readonly string[], text: string): { label: string; score: number }[] {
  const words = new Set(stems(text))
  const byLabel = labels.map((label) => [...new Set(stems(label))])
  const spread = new Map<string, number>()
  for (const stem of byLabel.flat()) spread.set(stem, (spread.get(stem) ?? 0) + 1)
  const weight = (stem: string) => Math.log(1 + labels.length / spread.get(stem)!)
  return byLabel.map((own, index) => {
    const whole = own.reduce((sum, stem) => sum + weight(stem), 0)
    const met = own.reduce((sum, stem) => sum + weight(stem) * presence(stem, words), 0)
    const score = whole === 0 ? 0 : met / Math.sqrt(whole)
    return { label: labels[index]!, score: score + tone(labels[index]!, words) }
  })
}

const GOOD = new Set(
  stems(
    'good great love excellent amazing happy perfect wonderful thanks best nice fantastic pleased recommend fast easy helpful',
  ),
)
const BAD = new Set(
  stems(
    'bad terrible hate awful broken angry worst poor disappointed slow late wrong failed refund never useless problem rude damaged',
  ),
)

/** The one thing about the world that the model knows: some words are kind and some are not. */
function tone(label: string, words: ReadonlySet<string>): number {
  const sign = /^positive$/i.test(label) ? 1 : /^negative$/i.test(label) ? -1 : 0
  if (sign === 0) return 0
  let balance = 0
  for (const word of words) balance += GOOD.has(word) ? 1 : BAD.has(word) ? -1 : 0
  return Math.max(0, sign * balance)
}
