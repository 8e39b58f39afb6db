/** The tables of the pages name what the sources declare, no more and no less. */

import { globSync } from 'node:fs'
import ts from 'typescript'
import { expect, test } from 'vitest'
import { membersOf, parse, read, root } from './source.ts'

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  ...globSync('docs/{*.md,packages/**/*.md,patterns/*.md,decisions/*.md}', { cwd: root }),
  ...globSync('packages/*/README.md', { cwd: root }),
]

/** A table that follows `<!-- options of Name in path, Name in path -->`; its first column holds the names. */
const marked = /<!-- options of (.+) -->\n+((?:\|.*\n)+)/g

const tables = pages.flatMap((page) =>
  [...read(page).matchAll(marked)].map(([, interfaces = '', table = '']) => ({ page, interfaces, table })),
)

test.each(tables)('$page: the options of $interfaces', ({ interfaces, table }) => {
  const rows = table.trimEnd().split('\n').slice(2)
  const named = rows.map((row) => /^\|\s*`([^`(]+)/.exec(row)?.[1])
  const declared = interfaces.split(', ').flatMap((each) => {
    const [name = '', path = ''] = each.split(' in ')
    return membersOf(path, name)
  })
  expect(named.toSorted()).toEqual(declared.toSorted())
})

test('the page of errors names every class and every code', () => {
  const page = read('docs/errors.md')
  const { statements } = parse('packages/core/src/errors.ts')
  const classes = statements.filter(ts.isClassDeclaration).map(({ name }) => name?.text ?? '')
  const codes = statements
    .filter(ts.isTypeAliasDeclaration)
    .filter(({ name }) => name.text === 'SluiceErrorCode')
    .flatMap(({ type }) => type.getText().match(/\w+/g) ?? [])
  expect(codes.length).toBeGreaterThan(10)
  expect([...classes, ...codes].filter((word) => !page.includes(`\`${word}\``))).toEqual([])
})

test('the page of the local cloud names every fault', () => {
  const page = read('docs/packages/local.md')
  const faults = [...read('packages/sluice/src/local/bedrock/faults.ts').matchAll(/\| \{ fault: '(\w+)'/g)]
  expect(faults.length).toBeGreaterThan(10)
  expect(
    faults.map(([, name]) => name).filter((name) => !new RegExp(`^\\| \`${name}\` +\\|`, 'm').test(page)),
  ).toEqual([])
})

test('every link to a section leads to one', () => {
  const site = globSync('docs/{*.md,packages/**/*.md,patterns/*.md,decisions/*.md}', { cwd: root })
  const sections = new Map(
    site.map((path) => [
      path,
      new Set(
        read(path)
          .match(/^#+ .*$/gm)
          ?.map(slug),
      ),
    ]),
  )
  const broken = site.flatMap((from) =>
    [...read(from).matchAll(/\]\((\/[^)#]*)?#([^)]+)\)/g)]
      .map(([, page, anchor]) => ({ from, to: page ? `docs${page}.md` : from, anchor: anchor ?? '' }))
      .filter(({ to, anchor }) => !to.startsWith('docs/reference/') && !sections.get(to)?.has(anchor)),
  )
  expect(broken).toEqual([])
})

/** The anchor of a heading, as VitePress makes it. */
function slug(heading: string): string {
  return heading
    .replace(/^#+ /, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
}

test('no page is longer than it may be', () => {
  const lines = (path: string) => read(path).trimEnd().split('\n').length
  expect(lines('CONTRIBUTING.md')).toBeLessThanOrEqual(150)
  for (const path of globSync('packages/{core,model-invocation,sluice}/README.md', { cwd: root })) {
    expect(lines(path), path).toBeLessThanOrEqual(110)
  }
})
