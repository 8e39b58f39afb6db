import { readFile } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build, type Metafile } from 'esbuild'

// Paths in the metafile are relative to it.
const root = new URL('../../../../', import.meta.url)

export interface Bundle {
  file: string
  minifiedBytes: number
  gzipBytes: number
  /** Minified bytes that came from each npm package. */
  packages: ReadonlyMap<string, number>
}

/**
 * Bundles one handler as a Lambda user would: minified ES modules, dead code shaken out, for Node 22. What is only
 * loaded on demand (credential providers of the SDK, a catalogue of prices) stands in files of its own and does not
 * count.
 */
export async function bundle(entry: URL, file: string): Promise<Bundle> {
  const { metafile } = await build({
    entryPoints: { [basename(file, '.mjs')]: fileURLToPath(entry) },
    outdir: dirname(file),
    outExtension: { '.js': '.mjs' },
    chunkNames: `${basename(file, '.mjs')}-[hash]`,
    splitting: true,
    absWorkingDir: fileURLToPath(root),
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    target: 'node22',
    // On `node` esbuild prefers CommonJS, from which nothing can be shaken out; the dependencies that have
    // nothing else still need a `require` for Node's own modules.
    mainFields: ['module', 'main'],
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
    metafile: true,
    logLevel: 'warning',
  })
  const outputs = loadedAtOnce(metafile, relative(fileURLToPath(root), file))
  const packages = new Map<string, number>()
  let minifiedBytes = 0
  let gzipBytes = 0
  for (const output of outputs) {
    const code = await readFile(join(fileURLToPath(root), output))
    minifiedBytes += code.length
    gzipBytes += gzipSync(code, { level: 9 }).length
    for (const [input, { bytesInOutput }] of Object.entries(metafile.outputs[output]!.inputs)) {
      const name = packageOf(input)
      packages.set(name, (packages.get(name) ?? 0) + bytesInOutput)
    }
  }
  return { file, minifiedBytes, gzipBytes, packages }
}

/** A file and all that it imports, but not what it imports on demand. */
function loadedAtOnce({ outputs }: Metafile, first: string): ReadonlySet<string> {
  const loaded = new Set([first])
  for (const each of loaded) {
    for (const { path, kind } of outputs[each]!.imports) {
      if (kind === 'import-statement' && path in outputs) loaded.add(path)
    }
  }
  return loaded
}

/** The npm package that a bundled file belongs to; a workspace package is named after its folder. */
export function packageOf(path: string): string {
  const installed = path.lastIndexOf('node_modules/')
  if (installed >= 0) {
    const [scope = '', name = ''] = path.slice(installed + 'node_modules/'.length).split('/')
    return scope.startsWith('@') ? `${scope}/${name}` : scope
  }
  const [, folder] = /^packages\/([^/]+)\/(?:src|dist)\//.exec(path) ?? []
  return folder === undefined || folder === 'bench' ? 'the handler' : `@sluice/${folder}`
}
