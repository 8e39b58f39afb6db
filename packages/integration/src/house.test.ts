import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const read = (path: string) => readFileSync(join(root, path), 'utf8')

/** Who may import whom. Middlewares meet in core and never import each other. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  core: [],
  store: ['@sluice/core'],
  'model-invocation': ['@sluice/core', '@sluice/store'],
  'quota-throttle': ['@sluice/core', '@sluice/store'],
  'timeout-guard': ['@sluice/core'],
  'token-stream': ['@sluice/core', '@sluice/store'],
  'cost-meter': ['@sluice/core', '@sluice/store'],
  'event-sources': ['@sluice/core'],
  sluice: ['@sluice/core', '@sluice/store', '@sluice/model-invocation', '@sluice/cost-meter'],
}

interface Manifest {
  readonly name: string
  readonly private?: boolean
  readonly files?: readonly string[]
  readonly license?: string
  readonly sideEffects?: boolean
  readonly engines?: { readonly node?: string }
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

const published = readdirSync(join(root, 'packages')).filter(
  (name) => existsSync(join(root, 'packages', name, 'package.json')) && !manifestOf(name).private,
)

function manifestOf(name: string): Manifest {
  return JSON.parse(read(`packages/${name}/package.json`)) as Manifest
}

function sourcesOf(name: string): string[] {
  return globSync(`packages/${name}/src/**/*.{ts,mjs}`, { cwd: root }).filter(
    (path) => !/\.test\.|fixtures|sluice\/src\/.*testing\.ts/.test(path),
  )
}

function importsOf(path: string): string[] {
  // Not of the examples in doc comments.
  const code = read(path).replaceAll(/\/\*\*[\s\S]*?\*\//g, '')
  return [...code.matchAll(/(?<![\w-])(?:from|import)\s*\(?\s*'([^'. ][^' ]*)'/g)].map(
    ([, name]) => name as string,
  )
}

describe.each(published)('%s', (name) => {
  test('imports only what the table of packages allows', () => {
    const allowed = mayImport[name]
    expect(allowed, `packages/${name} is missing from the table`).toBeDefined()
    const own = sourcesOf(name)
      .flatMap(importsOf)
      .filter(
        (imported) =>
          imported.startsWith('@sluice/') || imported === 'sluice' || imported.startsWith('sluice/'),
      )
      .map((imported) =>
        imported
          .split('/')
          .slice(0, imported.startsWith('@') ? 2 : 1)
          .join('/'),
      )
    for (const imported of own) expect(allowed).toContain(imported)
  })

  test('declares every package that it imports', () => {
    const { dependencies = {}, peerDependencies = {} } = manifestOf(name)
    const declared = [...Object.keys(dependencies), ...Object.keys(peerDependencies)]
    const imported = sourcesOf(name)
      .flatMap(importsOf)
      .filter((module) => !module.startsWith('node:') && module !== 'sluice' && !module.startsWith('sluice/'))
      .map((module) =>
        module
          .split('/')
          .slice(0, module.startsWith('@') ? 2 : 1)
          .join('/'),
      )
    const names = new Set(imported.map((module) => (module === 'aws-lambda' ? '@types/aws-lambda' : module)))
    for (const module of names) expect(declared).toContain(module)
  })

  test('has a README, a licence, and a manifest of one shape', () => {
    const manifest = manifestOf(name)
    expect(existsSync(join(root, 'packages', name, 'README.md'))).toBe(true)
    expect(manifest).toMatchObject({
      license: 'MIT',
      sideEffects: false,
      files: ['dist'],
      engines: { node: '>=22' },
    })
  })

  test('keeps its files small enough to find one thing in', () => {
    for (const path of sourcesOf(name)) expect(read(path).split('\n').length, path).toBeLessThanOrEqual(301)
  })
})

test('core imports nothing, so that nobody who builds on it pays for more', () => {
  const { dependencies, peerDependencies } = manifestOf('core')
  expect([dependencies, peerDependencies]).toEqual([undefined, undefined])
})
