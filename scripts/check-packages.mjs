// Packs every published package as it would go to the registry, installs the tarballs in a project outside of the
// workspace, type-checks a consumer without skipLibCheck for our own files, and runs it.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'sluice-consumer-'))
const run = (command, args, cwd) => execFileSync(command, args, { cwd, stdio: 'inherit' })
const manifest = (path) => JSON.parse(readFileSync(join(root, path, 'package.json'), 'utf8'))

const published = readdirSync(join(root, 'packages'))
  .map((name) => `packages/${name}`)
  .filter((path) => !manifest(path).private)

try {
  for (const path of published) run('pnpm', ['pack', '--pack-destination', folder], join(root, path))
  const tarballs = Object.fromEntries(
    published.map((path) => {
      const { name, version } = manifest(path)
      return [name, `file:./${name.replace('@', '').replace('/', '-')}-${version}.tgz`]
    }),
  )
  const versions = {
    ...manifest('.').devDependencies,
    ...manifest('packages/model-invocation').devDependencies,
  }
  const pick = (...names) => Object.fromEntries(names.map((name) => [name, versions[name]]))
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({
      private: true,
      type: 'module',
      dependencies: {
        ...tarballs,
        ...pick(
          '@aws-sdk/client-bedrock-runtime',
          '@middy/core',
          '@types/aws-lambda',
          '@types/node',
          'typescript',
        ),
      },
    }),
  )
  // What npm would fetch from the registry is the tarball beside it; build scripts of dependencies are not needed.
  writeFileSync(
    join(folder, 'pnpm-workspace.yaml'),
    `overrides: ${JSON.stringify(tarballs)}\nallowBuilds: { esbuild: false, aws-lambda-ric: false }\nstrictPeerDependencies: false\n`,
  )
  cpSync(join(root, 'scripts/consumer.ts'), join(folder, 'consumer.ts'))
  run('pnpm', ['install', '--prefer-offline', '--ignore-workspace=false'], folder)
  run(
    'pnpm',
    [
      'exec',
      'tsc',
      ...[
        '--strict',
        '--exactOptionalPropertyTypes',
        '--skipLibCheck',
        '--target',
        'es2024',
        '--module',
        'nodenext',
      ],
      ...['--types', 'node', '--outDir', 'out', 'consumer.ts'],
    ],
    folder,
  )
  run(process.execPath, ['out/consumer.js'], folder)
  run('pnpm', ['exec', 'sluice', '--version'], folder)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
