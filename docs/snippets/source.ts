/** Reads the workspace's own sources, for the tests that hold the pages to them. */

import { globSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

export const root: string = fileURLToPath(new URL('../../', import.meta.url))

/** The sources of the published packages, tests apart, by path from the root. */
export function packageSources(): string[] {
  return globSync('packages/*/package.json', { cwd: root })
    .filter((path) => !JSON.parse(read(path)).private)
    .flatMap((path) => globSync(`${dirname(path)}/src/**/*.ts`, { cwd: root }))
    .filter((path) => !/\.test\.ts$|\/fixtures\//.test(path))
    .sort()
}

export function read(path: string): string {
  return readFileSync(root + path, 'utf8')
}

export function parse(path: string): ts.SourceFile {
  return ts.createSourceFile(path, read(path), ts.ScriptTarget.ES2024, true)
}

/** The names of an interface's own members, without those that are internal. */
export function membersOf(path: string, interfaceName: string): string[] {
  const found = parse(path).statements.find(
    (statement): statement is ts.InterfaceDeclaration =>
      ts.isInterfaceDeclaration(statement) && statement.name.text === interfaceName,
  )
  if (!found) throw new Error(`There is no interface ${interfaceName} in ${path}.`)
  return found.members
    .filter((member) => !ts.getJSDocTags(member).some(({ tagName }) => tagName.text === 'internal'))
    .map((member) => member.name?.getText() ?? '')
}
