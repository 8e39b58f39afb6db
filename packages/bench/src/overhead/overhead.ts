import { type Bench, type BenchOptions, type BenchReport, chooseArms } from '../bench.ts'
import { type Certificate, createCertificate } from '../certificate.ts'
import { type EndpointProcess, startEndpoint } from '../endpoint-process.ts'
import { AA, type PairedResult, paired } from '../paired.ts'
import { type ArmName, armModules } from './arm.ts'
import { workCheck } from './check-work.ts'
import { type Measure, type MeasureName, measures } from './measures.ts'
import { prompt } from './prompt.ts'
import { overheadReport } from './report.ts'
import { startWorker, type WorkerProcess } from './worker-process.ts'

const REGION = 'us-east-1'
const MODEL_ID = 'amazon.nova-lite-v1:0'

/** What each measure showed: of all arms and the A/A arm, microseconds per call or token, or milliseconds. */
export type OverheadResults = Record<MeasureName, PairedResult<AnyArm>>

export type AnyArm = ArmName | typeof AA

type Workers = ReadonlyMap<AnyArm, WorkerProcess>

export const overhead: Bench = {
  summary: 'CPU per buffered call and per streamed token, time to first token, beside the SDK and others',
  async run(options): Promise<BenchReport> {
    const arms = chooseArms(Object.keys(armModules) as ArmName[], options.arms)
    // As Bedrock is reached: a session that is opened for every call pays for its handshake every time.
    const certificate = options.plain ? undefined : await createCertificate()
    const start = (arm: ArmName) => startWorker(arm, REGION, certificate?.file)
    const workers: Workers = new Map([
      ...arms.map((arm): [ArmName, WorkerProcess] => [arm, start(arm)]),
      [AA, start(arms[0]!)],
    ])
    const run = (name: MeasureName) => runMeasure(name, workers, options, certificate)
    try {
      return overheadReport(arms, {
        buffered: await run('buffered'),
        token: await run('token'),
        tokenAtOnce: await run('tokenAtOnce'),
        firstToken: await run('firstToken'),
      })
    } finally {
      await certificate?.remove()
      await Promise.all([...workers.values()].map((worker) => worker.close()))
    }
  },
}

async function runMeasure(
  name: MeasureName,
  workers: Workers,
  { rounds, quick, progress }: BenchOptions,
  certificate: Certificate | undefined,
) {
  const { operation, maxTokens, latency, callsPerTurn, ...calls } = measures[name]
  const turns = quick ? 1 : calls.turns
  const warmUpCalls = quick ? callsPerTurn : calls.warmUpCalls
  const perTurn = operation === 'stream' && name !== 'firstToken' ? callsPerTurn * maxTokens : callsPerTurn
  const check = workCheck({ operation, maxTokens })

  const callTo = async (endpoint: EndpointProcess, arm: AnyArm, count: number) => {
    const figures = await workers.get(arm)!.run(name, count)
    check(arm, count, figures, await endpoint.takeCounters())
    return figures
  }
  const withEndpoint = async <Result>(
    endpointLatency: Measure['latency'],
    use: (endpoint: EndpointProcess) => Promise<Result>,
  ): Promise<Result> => {
    const endpoint = await startEndpoint({ latency: endpointLatency }, certificate)
    try {
      for (const worker of workers.values()) {
        await worker.prepare(name, {
          url: endpoint.url,
          region: REGION,
          modelId: MODEL_ID,
          prompt,
          maxTokens,
        })
      }
      return await use(endpoint)
    } finally {
      await endpoint.close()
    }
  }

  await withEndpoint('none', async (endpoint) => {
    for (const arm of workers.keys()) {
      progress(`${name}: warming up ${arm}`)
      await callTo(endpoint, arm, warmUpCalls)
    }
  })
  return withEndpoint(latency, async (endpoint) => {
    // A new client's first call is dearer than the others.
    for (const arm of workers.keys()) await callTo(endpoint, arm, 1)
    return paired({
      arms: [...workers.keys()],
      rounds,
      turns,
      measure: async (arm) => {
        const { cpuUs, firstTokenMs } = await callTo(endpoint, arm, callsPerTurn)
        return name === 'firstToken' ? firstTokenMs : cpuUs / perTurn
      },
      onRound: (round) => {
        if (round % 5 === 0) progress(`${name}: round ${round + 1} of ${rounds}`)
      },
    })
  })
}
