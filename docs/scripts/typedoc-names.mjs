// Names the pages of the reference as the modules are imported, and puts the comment at the head of an entry file on
// its page instead of on whatever the file happens to export first.
import { readFileSync } from 'node:fs'
import { Converter } from 'typedoc'

/** `store/src/redis` is `@sluice/store/redis`, and its file `store/src/redis.ts`. */
function entryOf(module) {
  if (module === 'sluice/src/local') return ['sluice/local', 'sluice/src/local/index.ts']
  const [, name, entry] = /^([\w-]+)\/src(?:\/([\w-]+))?$/.exec(module) ?? []
  if (name === undefined) throw new Error(`typedoc-names.mjs: there is no name for the entry ${module}`)
  const path = entry === undefined ? '' : `/${entry}`
  return [`@sluice/${name}${path}`, `${name}/src${path || '/index'}.ts`]
}

/** @param {import('typedoc').Application} app */
export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const module of project.children ?? []) {
      const [name, file] = entryOf(module.name)
      module.name = name
      const head = /^\/\*\*(.*?)\*\//s.exec(
        readFileSync(new URL(`../../packages/${file}`, import.meta.url), 'utf8'),
      )
      if (!head) continue
      const words = (text) =>
        text
          .replace(/^\s*\*/gm, '')
          .replace(/\s+/g, ' ')
          .trim()
      for (const child of module.children ?? []) {
        if (!child.comment) continue
        if (words(child.comment.summary.map(({ text }) => text).join('')) !== words(head[1])) continue
        module.comment = child.comment.clone()
        child.comment = undefined
      }
    }
  })
}
