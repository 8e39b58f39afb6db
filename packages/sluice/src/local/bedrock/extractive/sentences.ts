/** Sentences and which of them matter. */
import { presence, stems } from './words.ts'

/** The sentences and lines of a text. */
export function sentencesOf(text: string): string[] {
  const found = text.match(/[^\n]+?(?:[.!?]+["')\]]*(?=\s|$)|(?=\n)|$)/g) ?? []
  return found.map((sentence) => sentence.trim()).filter((sentence) => /[\p{L}\p{N}]/u.test(sentence))
}

/**
 * The `count` sentences that say most, in their own order: those with the words that the text uses most, or, with
 * a question, those that share most words with it.
 */
export function topSentences(sentences: readonly string[], count: number, question = ''): string[] {
  if (sentences.length <= count) return [...sentences]
  const bySentence = sentences.map(stems)
  const frequency = new Map<string, number>()
  for (const stem of bySentence.flat()) frequency.set(stem, (frequency.get(stem) ?? 0) + 1)
  const asked = new Set(stems(question))
  const scored = bySentence.map((words, index) => {
    const distinct = new Set(words)
    let score = 0
    for (const word of distinct) score += Math.log(1 + frequency.get(word)!) + 4 * presence(word, asked)
    // Long sentences hold more words by their length alone; what comes first is often said first on purpose.
    return { index, score: score / Math.sqrt(words.length + 4) + (index === 0 ? 0.3 : 0) }
  })
  scored.sort((a, b) => b.score - a.score || a.index - b.index)
  const chosen = scored.slice(0, count).sort((a, b) => a.index - b.index)
  return chosen.map(({ index }) => sentences[index]!)
}
