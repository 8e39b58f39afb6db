import { spawnSync } from 'node:child_process'
import { expect, onTestFinished, test } from 'vitest'
import { startCloud } from './cloud.ts'

const hasJava = spawnSync('java', ['-version']).status === 0
const text =
  'The card was stolen on Monday. The bank blocked it on Tuesday. A new one came on Friday. '.repeat(3)

test.skipIf(!hasJava)(
  'eight sandboxes under one quota: all are answered, and the provider refuses less',
  async () => {
    const cloud = await startCloud()
    onTestFinished(cloud.close)
    const refused: Record<string, number> = {}
    for (const [name, lambda] of Object.entries(cloud.functions)) {
      cloud.bedrock.reset()
      const results = await Promise.all(Array.from({ length: 24 }, () => lambda.invoke({ text })))
      const failures = results.filter(({ error }) => error)
      expect(failures).toEqual([])
      refused[name] = cloud.bedrock.counters().outcomes.throttled ?? 0
    }
    expect(refused.before).toBeGreaterThan(0)
    expect(refused.after).toBeLessThanOrEqual(refused.before as number)
  },
)
