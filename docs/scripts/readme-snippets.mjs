// npm shows a README as plain Markdown, which cannot import code. This fills the marked blocks from the files that
// the tests run: without an argument it writes, with --check it fails where a page differs. A block begins with
// `<!-- snippet PATH -->`, `<!-- snippet PATH from "TEXT" -->` (from the first line that begins so to the end of the file)
// or `<!-- snippet diff PATH PATH -->`, and ends with `<!-- /snippet -->`.
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const read = (path) => readFileSync(join(root, path), 'utf8')
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'docs/index.md',
  ...globSync('{packages,examples}/*/README.md', { cwd: root }),
]
const block = /(<!-- snippet (diff )?(\S+)(?: from "(.+)"| (\S+))? -->\n)[\s\S]*?(\n<!-- \/snippet -->)/g
const check = process.argv.includes('--check')

for (const page of pages) {
  const before = read(page)
  const after = before.replace(block, (_, open, diff, path, from, other, close) => {
    const code = diff ? lineDiff(read(path), read(other)) : textFrom(from, path)
    return `${open}\`\`\`${diff ? 'diff' : extname(path).slice(1)}\n${code}\n\`\`\`${close}`
  })
  if (after === before) continue
  if (!check) {
    writeFileSync(join(root, page), after)
    continue
  }
  console.error(`${page} differs from its snippets. Run: node docs/scripts/readme-snippets.mjs`)
  process.exitCode = 1
}

/** Without a beginning, all of it. */
function textFrom(beginning, path) {
  const text = read(path).trimEnd()
  if (beginning === undefined) return text
  const at = `\n${text}`.indexOf(`\n${beginning}`)
  if (at < 0) throw new Error(`${path} has no line that begins with: ${beginning}`)
  return text.slice(at)
}

/** The whole of the second text, with what was added and what was removed: a longest common subsequence of lines. */
function lineDiff(one, two) {
  const a = one.trimEnd().split('\n')
  const b = two.trimEnd().split('\n')
  const common = Array.from({ length: a.length + 1 }, () => new Array(b.length + 1).fill(0))
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      common[i][j] = a[i] === b[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1])
    }
  }
  const lines = []
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    if (a[i] === b[j] && i < a.length && j < b.length) {
      lines.push(` ${a[i++]}`.trimEnd())
      j++
    } else if (i < a.length && (j === b.length || common[i + 1][j] >= common[i][j + 1])) {
      lines.push(`-${a[i++]}`)
    } else {
      lines.push(`+${b[j++]}`)
    }
  }
  return lines.join('\n')
}
