/** Rows of figures, right under each other. */
import { number } from './report.ts'

export interface Row<Column extends string> {
  readonly head: string
  readonly cells: Partial<Record<Column, number | string | undefined>>
}

/** Without the columns in which nothing stands. */
export function grid<Column extends string>(
  rows: readonly Row<Column>[],
  columns: readonly Column[],
): string {
  const shown = columns.filter((column) => rows.some(({ cells }) => cells[column] !== undefined))
  const lines = [
    ['', ...shown],
    ...rows.map(({ head, cells }) => [head, ...shown.map((column) => text(cells[column]))]),
  ]
  const widths = lines[0]!.map((_, at) => Math.max(...lines.map((line) => line[at]!.length)))
  return lines
    .map(([head = '', ...cells]) =>
      [head.padEnd(widths[0]!), ...cells.map((cell, at) => cell.padStart(widths[at + 1]!))]
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

function text(value: number | string | undefined): string {
  return typeof value === 'number' ? number(value) : (value ?? '')
}
