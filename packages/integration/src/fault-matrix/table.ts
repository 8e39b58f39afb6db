/** The matrix as its page in the docs shows it. */

import { type Cell, cells, faults, faultWords, type MatrixFault, modes, phaseWords } from './cell.ts'
import { type Expected, type Scenario, scenariosOf } from './scenario.ts'

/** One table for each fault, in Markdown. */
export function matrixTables(): string {
  return faults.map(tableOf).join('\n\n')
}

function tableOf(fault: MatrixFault): string {
  const own = cells.filter((cell) => cell.fault === fault)
  const rows = own.filter(({ mode }) => mode === modes[0])
  const lines = rows.map(({ phase, timeout }) => {
    const row = own.filter((cell) => cell.phase === phase && cell.timeout === timeout)
    return `| ${phaseWords[phase]} | ${timeout} | ${row.map(wordsOf).join(' | ')} |`
  })
  const head = faultWords[fault]
  return [
    `### ${head.charAt(0).toUpperCase()}${head.slice(1)}`,
    '',
    `| when | time-out | ${modes.join(' | ')} |`,
    `| ---- | -------- | ${modes.map((mode) => '-'.repeat(mode.length)).join(' | ')} |`,
    ...lines,
    ...reasonsOf(own),
  ].join('\n')
}

function wordsOf(cell: Cell): string {
  const scenarios = scenariosOf(cell)
  return typeof scenarios === 'string' ? '–' : scenarios.map(scenarioWords).join('; ')
}

function scenarioWords({ name, expected }: Scenario): string {
  return `${name === 'it' ? '' : `${name}: `}${endWords(expected)}`
}

function endWords({ saw, code = '', attempts }: Expected): string {
  const metered = attempts.length > 0 ? attempts.join(', ') : 'nothing sent'
  const codes = code.split(' or ').map((each) => `\`${each}\``)
  const reader = {
    whole: 'whole',
    left: 'left',
    nothing: codes.join(' or '),
    part: `event ${codes.join(' or ')}`,
  }[saw]
  return `${reader} (${metered})`
}

/** Why there are no such cells. */
function reasonsOf(own: readonly Cell[]): string[] {
  const reasons = new Map<string, Set<string>>()
  for (const cell of own) {
    const reason = scenariosOf(cell)
    if (typeof reason !== 'string') continue
    reasons.set(reason, (reasons.get(reason) ?? new Set()).add(`${cell.mode}, ${phaseWords[cell.phase]}`))
  }
  if (reasons.size === 0) return []
  return ['', ...[...reasons].map(([reason, where]) => `- ${[...where].join('; ')}: ${reason}.`)]
}
