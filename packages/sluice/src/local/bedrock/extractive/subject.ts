/** Tells what a prompt is about from what it says to do with it. */
import { offeredLabels } from './labels.ts'

const TAGGED =
  /<(text|message|input|document|ticket|email|article|content|transcript|review)>([\s\S]*?)<\/\1>/i
const FENCED = /(```|""")[a-z]*\n?([\s\S]*?)\1/
const NAMED =
  /(?:^|\n|[.!?]\s+)(?:the )?(?:text|message|input|ticket|review|email|question|query|customer|document|content|transcript|comment|sentence|statement|article)\s*:\s*([\s\S]+)$/i
const INSTRUCTED =
  /^(?:please\s+)?(?:summari[sz]e|classify|categori[sz]e|extract|answer|shorten|label|tag|route|repeat|translate|rewrite)\b[^:\n]{0,200}(?::|\n)\s*([\s\S]+)$/i
const ANSWER_CUE = /\n\s*(?:label|category|answer|summary|intent|output|json|class)\s*:\s*$/i

/** The part of a prompt that is to be worked on. */
export function subjectOf(prompt: string): string {
  const trimmed = prompt.replace(ANSWER_CUE, '').trim()
  const tagged = trimmed.includes('</') ? TAGGED.exec(trimmed)?.[2] : undefined
  const marked = tagged ?? FENCED.exec(trimmed)?.[2] ?? NAMED.exec(trimmed)?.[1]
  if (marked?.trim()) return marked.trim()
  const offer = offeredLabels(trimmed)
  if (offer) {
    const rest = trimmed.replace(offer.clause, ' ').trim()
    return INSTRUCTED.exec(rest)?.[1]?.trim() || rest || trimmed
  }
  return INSTRUCTED.exec(trimmed)?.[1]?.trim() || trimmed
}
