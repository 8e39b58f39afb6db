/** Every `@example` in the packages is a module that compiles under the workspace's own settings. */

import { join } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'
import { packageSources, parse, root } from './source.ts'

interface Example {
  /** Where the compiler finds it: beside its source, so that it sees what the package itself depends on. */
  readonly path: string
  readonly code: string
}

test('every @example compiles', { timeout: 60_000 }, () => {
  const examples = packageSources().flatMap(examplesOf)
  expect(examples.length).toBeGreaterThan(8)
  expect(problemsOf(examples)).toEqual([])
})

test('an @example that does not compile is found', { timeout: 60_000 }, () => {
  const code = "import { retry } from '@sluice/model-invocation'\nretry({ attempts: 3 })\n"
  expect(problemsOf([{ path: join(root, 'packages/model-invocation/src/wrong.example.ts'), code }])).toEqual([
    expect.stringContaining("'attempts' does not exist"),
  ])
})

function examplesOf(path: string): Example[] {
  const source = parse(path)
  const examples: Example[] = []
  function visit(node: ts.Node): void {
    for (const tag of ts.getJSDocTags(node)) {
      if (tag.tagName.text !== 'example') continue
      const comment = ts.getTextOfJSDocComment(tag.comment) ?? ''
      const { line } = source.getLineAndCharacterOfPosition(tag.getStart())
      examples.push({
        path: join(root, `${path}.${line + 1}.example.ts`),
        code: /^```ts\n(.*?)^```/ms.exec(comment)?.[1] ?? comment,
      })
    }
    ts.forEachChild(node, visit)
  }
  // Only what stands at the head of a statement or a member: the parser hands a tag down to inner nodes as well.
  visit(source)
  return [...new Map(examples.map((example) => [example.path, example])).values()]
}

/** Compiles modules that exist in memory only. */
function problemsOf(examples: readonly Example[]): string[] {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.base.json'), ts.sys.readFile)
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root)
  const codeOf = new Map(examples.map(({ path, code }) => [path, code]))
  const host = ts.createCompilerHost(options)
  const { fileExists, getSourceFile, readFile } = host
  host.fileExists = (path) => codeOf.has(path) || fileExists(path)
  host.readFile = (path) => codeOf.get(path) ?? readFile(path)
  host.getSourceFile = (path, target, ...rest) => {
    const code = codeOf.get(path)
    return code === undefined
      ? getSourceFile(path, target, ...rest)
      : ts.createSourceFile(path, `${code}\nexport {}\n`, target)
  }
  const program = ts.createProgram({ rootNames: [...codeOf.keys()], options, host })
  return [...codeOf.keys()].flatMap((path) => {
    const file = program.getSourceFile(path)
    return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(
      ({ messageText }) =>
        `${path.slice(root.length)}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`,
    )
  })
}
