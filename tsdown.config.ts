import { defineConfig } from 'tsdown'

// One configuration for every published package. `devExports` keeps `exports` at the sources, so that nothing has to be
// built to test or to read, and writes those of the tarball to `publishConfig`; CI fails when they drift.
const shared = {
  platform: 'node',
  target: 'node22',
  fixedExtension: false,
  dts: true,
  exports: { devExports: true },
  publint: true,
  attw: { profile: 'esm-only', level: 'error' },
} as const

export default defineConfig([
  { ...shared, cwd: 'packages/core', entry: ['src/index.ts', 'src/testing.ts'] },
  {
    ...shared,
    cwd: 'packages/store',
    entry: ['src/index.ts', 'src/dynamodb.ts', 'src/redis.ts', 'src/testing.ts'],
  },
  {
    ...shared,
    cwd: 'packages/model-invocation',
    entry: [
      'src/index.ts',
      'src/bedrock.ts',
      'src/bedrock-batch.ts',
      'src/sagemaker.ts',
      'src/sagemaker-async.ts',
      'src/sagemaker-batch.ts',
    ],
  },
  { ...shared, cwd: 'packages/quota-throttle', entry: ['src/index.ts'] },
  { ...shared, cwd: 'packages/timeout-guard', entry: ['src/index.ts'] },
  { ...shared, cwd: 'packages/token-stream', entry: ['src/index.ts'] },
  { ...shared, cwd: 'packages/cost-meter', entry: ['src/index.ts'] },
  { ...shared, cwd: 'packages/event-sources', entry: ['src/index.ts'] },
  {
    ...shared,
    cwd: 'packages/sluice',
    // A script that the sandboxes of the local Lambda preload; nobody imports it.
    attw: { ...shared.attw, excludeEntrypoints: ['runtime-client'] },
    entry: {
      cli: 'src/cli.ts',
      local: 'src/local/index.ts',
      'runtime-client': 'src/local/lambda/runtime-client.mjs',
    },
  },
])
