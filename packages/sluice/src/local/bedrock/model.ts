/**
 * The built-in model: small, deterministic, without weights. It cannot write; it finds. It picks the label that
 * fits, fills a JSON schema from the text, calls the tool it must call, and else answers with the sentences that
 * matter most.
 */
import { bestLabel, offeredLabels } from './extractive/labels.ts'
import { fillSchema } from './extractive/schema.ts'
import { sentencesOf, topSentences } from './extractive/sentences.ts'
import { subjectOf } from './extractive/subject.ts'
import { presence, stems } from './extractive/words.ts'
import type { LocalModel, ModelRequest, Piece, Tool } from './request.ts'
import { splitTokens } from './tokens.ts'

/** Answers from the text it is given and from nothing else; the same request always gets the same answer. */
export const extractive: LocalModel = async function* extractive(request) {
  yield answerTo(request)
}

const IDENTITY =
  'I am the small extractive model of sluice/local. I have no weights: I pick labels, values and sentences out of the text I am given.'
const ASKS_WHO = /\b(?:who|what) are you\b|\b(?:which|what) (?:language )?model\b|\byour name\b/i
const LONGEST_QUESTION = 200
/** More than this is not read, so that no prompt keeps the endpoint from its other requests. */
const LONGEST_READ = 100_000

function answerTo(request: ModelRequest): Piece[] {
  const last = request.turns.findLast(({ role }) => role === 'user')?.text ?? ''
  // Long runs of blanks say nothing, and would cost the patterns below the square of their length.
  const asked = last
    .slice(0, LONGEST_READ)
    .replace(/[^\S\n]{3,}/g, '  ')
    .replace(/\n\s*\n/g, '\n\n')
  const tool = forcedTool(request, asked)
  if (tool) {
    const input = JSON.stringify(fillSchema(tool.inputSchema, subjectOf(asked)))
    return [{ toolUse: { name: tool.name, toolUseId: toolUseId(input) } }, ...splitTokens(input)]
  }
  if (request.schema) return splitTokens(JSON.stringify(fillSchema(request.schema, subjectOf(asked))))
  if (asked.length <= LONGEST_QUESTION && ASKS_WHO.test(asked)) return splitTokens(IDENTITY)
  const offer = offeredLabels(asked) ?? offeredLabels(request.system)
  if (offer) return splitTokens(bestLabel(offer.labels, subjectOf(asked)).label)
  return splitTokens(summary(asked, request.system) || IDENTITY)
}

function forcedTool({ tools, toolChoice }: ModelRequest, asked: string): Tool | undefined {
  if (toolChoice === undefined) return undefined
  if (toolChoice !== 'any') return tools.find(({ name }) => name === toolChoice.name)
  const words = new Set(stems(asked))
  const fit = ({ name, description }: Tool) =>
    stems(`${name} ${description}`).reduce((sum, stem) => sum + presence(stem, words), 0)
  return tools.toSorted((a, b) => fit(b) - fit(a))[0]
}

const NUMBERS: Record<string, number> = { one: 1, two: 2, three: 3, four: 4, five: 5, six: 6, ten: 10 }
const LENGTH =
  /\b(\d+|one|two|three|four|five|six|ten)[ -](sentences?|words?|bullets?|bullet points?|lines?)\b/i

function summary(asked: string, system: string): string {
  const subject = subjectOf(asked)
  const sentences = sentencesOf(subject)
  const instruction = asked.slice(0, asked.indexOf(subject)) || system
  const [, amount = '', unit = ''] = LENGTH.exec(instruction) ?? LENGTH.exec(system) ?? []
  const wanted = NUMBERS[amount.toLowerCase()] ?? Number(amount)
  const question = sentences.length > 1 ? sentences.findLast((sentence) => sentence.endsWith('?')) : undefined
  const pool = question ? sentences.filter((sentence) => sentence !== question) : sentences
  if (/^w/i.test(unit)) {
    return topSentences(pool, 3, question).join(' ').split(/\s+/).slice(0, wanted).join(' ')
  }
  const count = wanted || Math.min(3, Math.ceil(pool.length / 3))
  const chosen = topSentences(pool, count, question)
  return /^b/i.test(unit) ? chosen.map((sentence) => `- ${sentence}`).join('\n') : chosen.join(' ')
}

/** An id that looks like the service's, and is the same for the same input. */
function toolUseId(input: string): string {
  let hash = 0x811c9dc5
  for (let at = 0; at < input.length; at++) hash = Math.imul(hash ^ input.charCodeAt(at), 0x01000193)
  return `tooluse_${(hash >>> 0).toString(36).padStart(8, '0')}`
}
