// Names the pages of the reference as the modules are imported, and puts the comment at the head of an entry file on
// its page instead of on whatever the file happens to export first.
import { readFileSync } from 'node:fs'
import { Converter } from 'typedoc'

const names = {
  'core/src': ['@sluice/core', 'core/src/index.ts'],
  'core/src/testing': ['@sluice/core/testing', 'core/src/testing.ts'],
  'model-invocation/src': ['@sluice/model-invocation', 'model-invocation/src/index.ts'],
  'model-invocation/src/bedrock': ['@sluice/model-invocation/bedrock', 'model-invocation/src/bedrock.ts'],
  'store/src': ['@sluice/store', 'store/src/index.ts'],
  'store/src/dynamodb': ['@sluice/store/dynamodb', 'store/src/dynamodb.ts'],
  'store/src/testing': ['@sluice/store/testing', 'store/src/testing.ts'],
  'sluice/src/local': ['sluice/local', 'sluice/src/local/index.ts'],
}

/** @param {import('typedoc').Application} app */
export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const module of project.children ?? []) {
      const [name, file] = names[module.name] ?? []
      if (!name) throw new Error(`typedoc-names.mjs: there is no name for the entry ${module.name}`)
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
