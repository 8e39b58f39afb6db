/** The page shows what the matrix expects, cell by cell. `SLUICE_WRITE_PAGE=1` writes it. */

import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { cells } from './fault-matrix/cell.ts'
import { scenariosOf } from './fault-matrix/scenario.ts'
import { matrixTables } from './fault-matrix/table.ts'

const page = new URL('../../../docs/guarantees.md', import.meta.url)
const marks = /(<!-- the matrix -->\n)[\s\S]*(\n<!-- end of the matrix -->)/

/** The formatter aligns the columns. */
const unaligned = (markdown: string) => markdown.replaceAll(/ {2,}/g, ' ').replaceAll(/-{3,}/g, '---')

test('docs/guarantees.md shows the matrix as it is', () => {
  const text = readFileSync(page, 'utf8')
  const due = text.replace(marks, (_all, begin: string, end: string) => `${begin}\n${matrixTables()}\n${end}`)
  if (process.env.SLUICE_WRITE_PAGE) writeFileSync(page, due)
  else expect(unaligned(text)).toBe(unaligned(due))
  expect(text).toMatch(marks)
})

test('each cell has scenarios, or a reason why there is none', () => {
  expect(cells).toHaveLength(270)
  const impossible = cells.filter((cell) => typeof scenariosOf(cell) === 'string')
  expect(cells.length - impossible.length).toBe(225)
})
