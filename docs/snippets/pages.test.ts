/** The tables of the pages name what the sources declare, no more and no less. */

import { globSync } from 'node:fs'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'
import { membersOf, parse, read } from './source.ts'

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  ...globSync('docs/{*.md,packages/*.md,patterns/*.md,decisions/*.md}', { cwd: `${import.meta.dirname}/../..` }),
  ...globSync('packages/*/README.md', { cwd: `${import.meta.dirname}/../..` }),
]

/** A table that follows `<!-- options of Name in path -->`; its first column holds the names. */
const marked = /<!-- options of (\w+) in (\S+) -->\n+((?:\|.*\n)+)/g

describe('option tables', () => {
  for (const page of pages) {
    for (const [, name = '', path = '', table = ''] of read(page).matchAll(marked)) {
      test(`${page}: ${name}`, () => {
        const rows = table.trimEnd().split('\n').slice(2)
        const named = rows.map((row) => /^\|\s*`([^`(]+)/.exec(row)?.[1])
        expect(named.toSorted()).toEqual(membersOf(path, name).toSorted())
      })
    }
  }
})

test('the page of errors names every class and every code', () => {
  const page = read('docs/errors.md')
  const errors = parse('packages/core/src/errors.ts')
  const names = errors.statements.filter(ts.isClassDeclaration).map(({ name }) => name?.text ?? '')
  const codes = errors.statements.filter(ts.isTypeAliasDeclaration).flatMap(({ type }) => type.getText().match(/\w+/g) ?? [])
  expect(codes.length).toBeGreaterThan(10)
  expect([...names, ...codes].filter((word) => !page.includes(`\`${word}\``))).toEqual([])
})
