import { defineConfig } from 'vitest/config'

/** The tests that hold the parsers to account, and nothing that needs a network. */
export default defineConfig({
  test: { include: ['src/{parse/parse,sources}.test.ts'] },
})
