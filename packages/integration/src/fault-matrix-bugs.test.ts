/** The checks of the matrix, checked: each mistake that a handler makes on purpose has to be seen. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Mode, modes } from './fault-matrix/cell.ts'
import { type Lane, type MatrixCloud, startCloud } from './fault-matrix/cloud.ts'
import { type Bug, bugs } from './fault-matrix/matrix-event.ts'
import { runScenario } from './fault-matrix/run.ts'
import { healthy, type Scenario, scenariosOf } from './fault-matrix/scenario.ts'
import { allStrikes } from './fault-matrix/strikes.ts'

/** What strikes while the bug is made, if anything has to, and what the checks say then. */
const seen: Readonly<Record<Bug, { readonly mode: Mode; readonly cut?: true; readonly wrong: string }>> = {
  'swallows the error event': { mode: 'streamed', cut: true, wrong: 'an end without a last event' },
  'says done after a cut': { mode: 'streamed', cut: true, wrong: 'done, but words are missing' },
  'kills the process': { mode: 'streamed', wrong: 'the invocation ended with Runtime.ExitError' },
  'leaves a stream open': { mode: 'buffered', wrong: '1 generations were left open' },
  'no record of what failed': { mode: 'buffered', cut: true, wrong: 'a request was not metered' },
  'every record twice': { mode: 'streamed', wrong: 'an attempt was metered twice' },
  'usage made up': { mode: 'buffered', wrong: 'the usage of an answer is not what the endpoint counted' },
  'a part passed off as the whole': {
    mode: 'buffered',
    cut: true,
    wrong: 'words that the model has not said',
  },
  'a message lost': { mode: 'batch', cut: true, wrong: 'message 1 lost' },
  'a message done and sent back': { mode: 'batch', wrong: 'message 0 done and sent back' },
  'words of another': { mode: 'streamed', wrong: 'words that the model has not said' },
}

function scenarioOf(mode: Mode, cut: boolean): Scenario {
  const found = scenariosOf({ fault: 'cut', phase: 'streaming', mode, timeout: 'after' })
  return cut ? (found[0] as Scenario) : healthy(mode, 'roomy')
}

/** Each bug has a sandbox of its own. */
let cloud: MatrixCloud
beforeAll(async () => {
  for (const mode of modes) scenarioOf(mode, true)
  cloud = await startCloud(
    bugs.map((bug) => ({ mode: seen[bug].mode, place: 'roomy', lanes: 1 })),
    allStrikes(),
  )
})
afterAll(() => cloud?.close())

test.for(bugs)('%s', async (bug) => {
  const { mode, cut = false, wrong } = seen[bug]
  const lane = cloud.lanes[bugs.indexOf(bug)] as Lane
  const scenario = scenarioOf(mode, cut)
  expect((await runScenario(cloud, lane, scenario)).wrong).toEqual([])
  const report = await runScenario(cloud, lane, scenario, { bug, anyEnd: true })
  expect(report.wrong.join('\n')).toContain(wrong)
})
