import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Bench, type BenchReport, chooseArms } from '../bench.ts'
import { startEndpoint } from '../endpoint-process.ts'
import { AA, paired } from '../paired.ts'
import { type Bundle, bundle } from './bundle.ts'
import { answerOf, importMs } from './fresh-process.ts'
import { coldStartReport } from './report.ts'

/** One handler each, doing the same thing. The first one is the baseline. */
const handlers = {
  sdk: './handlers/sdk.ts',
  sdkReused: './handlers/sdk-reused.ts',
  sluice: './handlers/sluice.ts',
  sdkTable: './handlers/sdk-table.ts',
  sluiceAll: './handlers/sluice-all.ts',
  aiSdk: './handlers/ai-sdk.ts',
  langchain: './handlers/langchain.ts',
} as const

export type HandlerName = keyof typeof handlers

export const coldStart: Bench = {
  summary: 'gzipped bundle and import time of a handler, beside the bare SDK and others',
  async run({ arms: wanted, rounds, progress }): Promise<BenchReport> {
    const arms = chooseArms(Object.keys(handlers) as HandlerName[], wanted)
    const folder = await mkdtemp(join(tmpdir(), 'cold-start-'))
    try {
      const bundles = new Map<HandlerName | typeof AA, Bundle>()
      for (const arm of arms) {
        progress(`bundling ${arm}`)
        bundles.set(arm, await bundle(new URL(handlers[arm], import.meta.url), join(folder, `${arm}.mjs`)))
      }
      await checkAnswers(bundles)
      // Its own file, as every arm has.
      bundles.set(AA, await bundle(new URL(handlers[arms[0]!], import.meta.url), join(folder, `${AA}.mjs`)))

      // Once each without counting: the first start reads the file from the disk.
      for (const { file } of bundles.values()) await importMs(file)
      const imports = await paired({
        arms: [...bundles.keys()],
        rounds,
        measure: (arm) => importMs(bundles.get(arm)!.file),
        onRound: (round) => {
          if (round % 5 === 0) progress(`starting processes: round ${round + 1} of ${rounds}`)
        },
      })
      return coldStartReport(arms, bundles, imports)
    } finally {
      await rm(folder, { recursive: true })
    }
  },
}

/** A bundle that loads fast because half of it is missing must not be measured: each has to answer once. */
async function checkAnswers(bundles: ReadonlyMap<string, Bundle>): Promise<void> {
  const endpoint = await startEndpoint({ latency: 'none' })
  try {
    for (const [arm, { file }] of bundles) {
      const answer = await answerOf(file, endpoint.url)
      const { outcomes } = await endpoint.takeCounters()
      if (outcomes.ok !== 1 || typeof answer.label !== 'string' || answer.label === '') {
        throw new Error(`The bundled handler of ${arm} does not work: it answered ${JSON.stringify(answer)}.`)
      }
    }
  } finally {
    await endpoint.close()
  }
}
