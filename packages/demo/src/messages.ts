/** Real messages to work on. */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export interface Messages {
  readonly texts: readonly string[]
  /** Where they are from, to be read after "messages". */
  readonly source: string
  /** The labels that fit them, in the words of a prompt. */
  readonly intents: string
}

const root = fileURLToPath(new URL('../../../', import.meta.url))
const customerMessages = `${root}../shared/data/banking77-test.csv`

/**
 * Messages of bank customers (BANKING77) where that file lies beside the repository, else sentences from the
 * documentation of the installed packages.
 */
export function realMessages(count: number, file: string = customerMessages): Messages {
  return existsSync(file)
    ? {
        texts: spread(csvColumn(readFileSync(file, 'utf8')), count),
        source: 'from bank customers (BANKING77, PolyAI, CC BY 4.0)',
        intents: 'card, cash, transfer, top up, exchange rate, refund, identity, other',
      }
    : {
        texts: spread(sentencesOfPackages(count), count),
        source: 'from the READMEs of the installed packages',
        intents: 'install, usage, types, errors, licence, browser, test, performance, other',
      }
}

/** `count` of them, evenly spread over the whole; from the start again where there are too few. */
function spread(texts: readonly string[], count: number): string[] {
  const step = Math.max(1, texts.length / count)
  return Array.from({ length: count }, (_, index) => texts[Math.floor(index * step) % texts.length]!)
}

/** The first column of a CSV file, without its head. A quoted field may hold commas, quotes and line breaks. */
function csvColumn(csv: string): string[] {
  const rows = csv.matchAll(/^(?:"((?:[^"]|"")*)"|([^,\n]*)),[^\n]*$/gm)
  const [, ...fields] = [...rows].map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '')
  return fields.map((field) => field.trim()).filter((field) => field !== '')
}

function sentencesOfPackages(count: number): string[] {
  const sentences = new Set<string>()
  for (const file of globSync('node_modules/.pnpm/*/node_modules/{*,@*/*}/README.md', { cwd: root })) {
    for (const sentence of sentencesOf(readFileSync(root + file, 'utf8'))) sentences.add(sentence)
    // More than are needed, so that they come from many packages.
    if (sentences.size > 20 * count) break
  }
  if (sentences.size === 0) throw new Error('No package with a README is installed. Run `pnpm install`.')
  return [...sentences]
}

/** The plain prose of a page: no code, tables, lists, headings and addresses. */
function sentencesOf(markdown: string): string[] {
  const prose = markdown
    .replace(/```[\s\S]*?```/g, '')
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .split(/\n\s*\n/)
    .filter((paragraph) => /^[A-Z]/.test(paragraph))
    .map((paragraph) => paragraph.replace(/[`*_]/g, '').replace(/\s+/g, ' '))
  return prose
    .flatMap((paragraph) => paragraph.match(/[A-Z][^.!?]{40,200}[.!?](?=\s|$)/g) ?? [])
    .filter((sentence) => !/[<>{}|\\]|https?:/.test(sentence))
}
