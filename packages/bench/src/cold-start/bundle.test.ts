import { expect, test } from 'vitest'
import { packageOf } from './bundle.ts'

test.each([
  ['node_modules/.pnpm/@smithy+core@3.41.0/node_modules/@smithy/core/dist-es/index.js', '@smithy/core'],
  ['node_modules/.pnpm/tslib@2.8.1/node_modules/tslib/tslib.es6.mjs', 'tslib'],
  ['packages/core/src/scope.ts', '@sluice/core'],
  ['packages/model-invocation/dist/bedrock.js', '@sluice/model-invocation'],
  ['packages/bench/src/cold-start/handlers/sluice.ts', 'the handler'],
  ['../core/src/scope.ts', 'the handler'],
])('%s belongs to %s', (path, name) => {
  expect(packageOf(path)).toBe(name)
})
