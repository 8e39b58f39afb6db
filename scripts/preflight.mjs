// Plain JavaScript on purpose: it runs before anything is known to be installed or new enough.
// pnpm's own install before a script only warns when it fails and then runs the script all the same.
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const fail = (message) => {
  console.error(`\n${message}\n`)
  process.exit(1)
}

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 18)) {
  fail(
    `Sluice is developed on Node 22.18 or newer; this is Node ${process.versions.node}.\n` +
      'Without installing anything globally, run:\n\n' +
      `  npx -y -p node@24 -p pnpm@12.21.0 pnpm ${process.env.npm_lifecycle_event ?? 'test'}`,
  )
}

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url))
const installed = at('node_modules/.pnpm/lock.yaml')
const reinstall = 'Run `pnpm install --frozen-lockfile` and read its last lines for the reason.'
if (!existsSync(installed)) fail(`The dependencies are not installed. ${reinstall}`)
// The head of both files differs (settings), the resolved packages must not.
const packages = (path) => readFileSync(path, 'utf8').split(/^packages:$/m)[1]
if (packages(installed) !== packages(at('pnpm-lock.yaml'))) {
  fail(`The installed dependencies are not those of pnpm-lock.yaml. ${reinstall}`)
}
