import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BuildFailure, buildSync, formatMessagesSync } from 'esbuild'

/** Where a sandbox finds its code. */
export interface Code {
  /** `LAMBDA_TASK_ROOT`. */
  readonly directory: string
  /** The module's name without its extension, the first part of `_HANDLER`. */
  readonly moduleName: string
}

/** Makes handler files deployable; bundles are kept until it is closed. */
export interface Bundler {
  /**
   * A `.ts` file is bundled into one ES module, as it would be for a deployment; `.js`, `.mjs` and `.cjs` files
   * run from where they are.
   * @param option names the caller's option in errors
   * @throws TypeError when the file is missing, of another kind or does not build
   */
  code(handler: URL | string, option: string): Promise<Code>
  close(): Promise<void>
}

export function createBundler(): Bundler {
  const directories: string[] = []
  const bundles = new Map<string, Promise<Code>>()

  async function bundle(file: string, option: string): Promise<Code> {
    const directory = await mkdtemp(join(tmpdir(), 'sluice-function-'))
    directories.push(directory)
    try {
      // Synchronous because it leaves no service process behind, which other users of esbuild in this process
      // might share.
      buildSync({
        entryPoints: [file],
        outfile: join(directory, 'index.mjs'),
        bundle: true,
        platform: 'node',
        format: 'esm',
        target: 'node22',
        mainFields: ['module', 'main'],
        sourcemap: 'linked',
        banner: { js: requireBanner },
        logLevel: 'silent',
      })
    } catch (error) {
      const { errors = [] } = error as Partial<BuildFailure>
      const details = formatMessagesSync(errors, { kind: 'error' }).join('')
      throw new TypeError(`${option}: ${file} does not build.\n${details || String(error)}`)
    }
    return { directory, moduleName: 'index' }
  }

  return {
    async code(handler, option) {
      const file = resolve(
        handler instanceof URL || handler.startsWith('file:') ? fileURLToPath(handler) : handler,
      )
      if (!existsSync(file)) throw new TypeError(`${option}: there is no file ${file}`)
      const extension = extname(file)
      if (['.ts', '.mts', '.cts'].includes(extension)) {
        const known = bundles.get(file) ?? bundle(file, option)
        bundles.set(file, known)
        return known
      }
      const moduleName = basename(file, extension)
      if (!['.js', '.mjs', '.cjs'].includes(extension)) {
        throw new TypeError(`${option}: ${file} is neither .ts nor .js, .mjs or .cjs`)
      }
      if (moduleName.includes('.')) {
        throw new TypeError(
          `${option}: Lambda cannot load ${file}, the name of a handler file must have no further dot`,
        )
      }
      return { directory: dirname(file), moduleName }
    },
    async close() {
      await Promise.all(directories.map((directory) => rm(directory, { recursive: true, force: true })))
    },
  }
}

/** CommonJS dependencies inside an ES module bundle call `require` for Node's own modules. */
const requireBanner = [
  "import { createRequire as sluiceCreateRequire } from 'node:module'",
  'globalThis.require ??= sluiceCreateRequire(import.meta.url)',
].join('\n')
