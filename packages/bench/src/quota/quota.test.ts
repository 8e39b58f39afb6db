import { readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Figures } from './figures.ts'
import { quota } from './quota.ts'

/** Real processes: an endpoint for each policy, and the sandboxes. */
test('a short run with sandboxes that die: all calls end, and the provider’s account is met', async () => {
  const plot = join(tmpdir(), `sluice-quota-${process.pid}.svg`)
  const values = {
    ...{
      policy: ['sluice,reserve-5,fixed-window'],
      store: 'memory',
      calls: '60',
      load: '1',
      kill: '0.1',
      plot,
    },
    ...{ 'tokens-per-minute': '4000000', sandboxes: '30', tenants: '3' },
  }
  const { text, json } = await quota.run({ rounds: 31, quick: true, plain: false, values, progress() {} })
  const { policies } = json as { policies: Record<string, Figures> }
  expect(Object.keys(policies)).toEqual(['sluice', 'reserve-5', 'fixed-window'])
  const { sluice } = policies
  expect(sluice).toMatchObject({ throttled: 0, successWithinDeadline: 1 })
  // A take and a settlement; what a dead sandbox would have said is not heard.
  expect(sluice?.storeOpsPerCall).toBeGreaterThan(1.3)
  expect(text).toContain('10 s pass in one')
  expect(await readFile(plot, 'utf8')).toMatch(/^<svg [\s\S]*sluice[\s\S]*fixed-window[\s\S]*<\/svg>\n$/)
  await rm(plot)
}, 120_000)
