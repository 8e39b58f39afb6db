import { type Bench, type BenchOptions, type BenchReport, chooseArms } from '../bench.ts'
import { startEndpoint } from '../endpoint-process.ts'
import { AA, type PairedResult, paired } from '../paired.ts'
import { type ArmName, armModules } from './arm.ts'
import { checkWork } from './check-work.ts'
import { type MeasureName, measures } from './measures.ts'
import { prompt } from './prompt.ts'
import { overheadReport } from './report.ts'
import { startWorker, type WorkerProcess } from './worker-process.ts'

const REGION = 'us-east-1'
const MODEL_ID = 'amazon.nova-lite-v1:0'

/** What each measure showed: of all arms and the A/A arm, microseconds per call or token, or milliseconds. */
export type OverheadResults = Record<MeasureName, PairedResult<ArmName | typeof AA>>

type Workers = ReadonlyMap<ArmName | typeof AA, WorkerProcess>

export const overhead: Bench = {
  summary: 'CPU per buffered call and per streamed token, time to first token, beside the SDK and others',
  async run(options): Promise<BenchReport> {
    const arms = chooseArms(Object.keys(armModules) as ArmName[], options.arms)
    const workers: Workers = new Map([
      ...arms.map((arm): [ArmName, WorkerProcess] => [arm, startWorker(arm, REGION)]),
      [AA, startWorker(arms[0]!, REGION)],
    ])
    try {
      return overheadReport(arms, {
        buffered: await runMeasure('buffered', workers, options),
        token: await runMeasure('token', workers, options),
        firstToken: await runMeasure('firstToken', workers, options),
      })
    } finally {
      await Promise.all([...workers.values()].map((worker) => worker.close()))
    }
  },
}

async function runMeasure(name: MeasureName, workers: Workers, { rounds, quick, progress }: BenchOptions) {
  const { operation, maxTokens, latency, ...calls } = measures[name]
  const callsPerRound = quick ? Math.ceil(calls.callsPerRound / 10) : calls.callsPerRound
  const warmUpCalls = quick ? callsPerRound : calls.warmUpCalls
  const endpoint = await startEndpoint({ latency })
  try {
    let charactersPerCall: number | undefined
    const runChecked = async (arm: ArmName | typeof AA, count: number) => {
      const figures = await workers.get(arm)!.run(name, count)
      const expected = { operation, calls: count, maxTokens, ...(charactersPerCall && { charactersPerCall }) }
      checkWork(arm, expected, figures, await endpoint.takeCounters())
      charactersPerCall ??= figures.characters / count
      return figures
    }
    for (const [arm, worker] of workers) {
      progress(`${name}: warming up ${arm}`)
      await worker.prepare(name, { url: endpoint.url, region: REGION, modelId: MODEL_ID, prompt, maxTokens })
      await runChecked(arm, warmUpCalls)
    }
    return await paired({
      arms: [...workers.keys()],
      rounds,
      measure: async (arm) => {
        const { cpuUs, firstTokenMs } = await runChecked(arm, callsPerRound)
        if (name === 'firstToken') return firstTokenMs
        return cpuUs / callsPerRound / (name === 'token' ? maxTokens : 1)
      },
      onRound: (round) => {
        if (round % 5 === 0) progress(`${name}: round ${round + 1} of ${rounds}`)
      },
    })
  } finally {
    await endpoint.close()
  }
}
