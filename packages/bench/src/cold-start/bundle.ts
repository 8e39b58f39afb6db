import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

// Paths in the metafile are relative to it.
const root = new URL('../../../../', import.meta.url)

export interface Bundle {
  file: string
  minifiedBytes: number
  gzipBytes: number
  /** Minified bytes that came from each npm package. */
  packages: ReadonlyMap<string, number>
}

/** Bundles one handler as a Lambda user would: one minified ES module, dead code shaken out, for Node 22. */
export async function bundle(entry: URL, file: string): Promise<Bundle> {
  const { metafile } = await build({
    entryPoints: [fileURLToPath(entry)],
    outfile: file,
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
  const code = await readFile(file)
  const packages = new Map<string, number>()
  for (const { inputs } of Object.values(metafile.outputs)) {
    for (const [input, { bytesInOutput }] of Object.entries(inputs)) {
      const name = packageOf(input)
      packages.set(name, (packages.get(name) ?? 0) + bytesInOutput)
    }
  }
  return { file, minifiedBytes: code.length, gzipBytes: gzipSync(code, { level: 9 }).length, packages }
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
