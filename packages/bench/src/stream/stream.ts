import type { BedrockOptions } from 'sluice/local'
import { type Bench, type BenchReport, chooseArms } from '../bench.ts'
import { type Certificate, createCertificate } from '../certificate.ts'
import { startEndpoint } from '../endpoint-process.ts'
import { workCheck } from '../overhead/check-work.ts'
import { prompt } from '../overhead/prompt.ts'
import { AA, type PairedResult, paired } from '../paired.ts'
import { median } from '../statistics.ts'
import { armModules, type StreamArm } from './arm.ts'
import { type FunctionProcess, startFunctionProcess } from './function-process.ts'
import { streamReport } from './report.ts'
import { textOf } from './text-of.ts'

const REGION = 'us-east-1'
const MODEL_ID = 'amazon.nova-lite-v1:0'

export type AnyArm = StreamArm | typeof AA

interface Measure {
  /** Length of each answer. */
  readonly maxTokens: number
  readonly callsPerTurn: number
  /** Turns of each arm in a round. */
  readonly turns: number
  /** Calls before the first round, to an endpoint without latency. */
  readonly warmUpCalls: number
  readonly latency: NonNullable<BedrockOptions['latency']>
}

/** The reasons are those of the overhead bench: tokens are paced, so that they come one by one as from a model. */
const measures = {
  token: {
    maxTokens: 256,
    callsPerTurn: 1,
    turns: 1,
    warmUpCalls: 60,
    latency: { firstTokenMs: 0, tokensPerSecond: 600, jitter: 0 },
  },
  firstByte: { maxTokens: 4, callsPerTurn: 10, turns: 3, warmUpCalls: 60, latency: 'none' },
} as const satisfies Record<string, Measure>

export type MeasureName = keyof typeof measures
/** Microseconds of CPU per token, and milliseconds. */
export type StreamResults = Record<MeasureName, PairedResult<AnyArm>>

export const stream: Bench = {
  summary: 'first byte and CPU per token from the model through the function to an HTTP client',
  async run({ arms: wanted, rounds, quick, plain, progress }): Promise<BenchReport> {
    const arms = chooseArms(Object.keys(armModules) as StreamArm[], wanted)
    // As Bedrock is reached: a session that is opened for every call pays for its handshake every time.
    const certificate = plain ? undefined : await createCertificate()
    const start = (arm: StreamArm) => startFunctionProcess(arm, REGION, certificate?.file)
    const functions: ReadonlyMap<AnyArm, FunctionProcess> = new Map([
      ...arms.map((arm): [AnyArm, FunctionProcess] => [arm, start(arm)]),
      [AA, start(arms[0]!)],
    ])
    try {
      const run = (name: MeasureName) => runMeasure(name, functions, { rounds, quick, progress }, certificate)
      return streamReport(arms, { token: await run('token'), firstByte: await run('firstByte') })
    } finally {
      await certificate?.remove()
      await Promise.all([...functions.values()].map((each) => each.close()))
    }
  },
}

async function runMeasure(
  name: MeasureName,
  functions: ReadonlyMap<AnyArm, FunctionProcess>,
  { rounds, quick, progress }: { rounds: number; quick: boolean; progress(line: string): void },
  certificate: Certificate | undefined,
): Promise<PairedResult<AnyArm>> {
  const { maxTokens, callsPerTurn, latency, ...full }: Measure = measures[name]
  const turns = quick ? 1 : full.turns
  const check = workCheck({ operation: 'stream', maxTokens })

  async function withEndpoint<Result>(
    pace: Measure['latency'],
    use: (
      call: (arm: AnyArm, calls: number) => Promise<{ cpuUs: number; firstByteMs: number }>,
    ) => Promise<Result>,
  ): Promise<Result> {
    const endpoint = await startEndpoint({ latency: pace }, certificate)
    try {
      const settings = { url: endpoint.url, region: REGION, modelId: MODEL_ID, prompt, maxTokens }
      for (const each of functions.values()) await each.prepare(settings)
      return await use(async (arm, calls) => {
        const each = functions.get(arm)!
        const firstBytesMs: number[] = []
        let characters = 0
        const before = await each.cpuUs()
        for (let call = 0; call < calls; call++) {
          const { firstByteMs, body } = await each.read()
          firstBytesMs.push(firstByteMs)
          characters += textOf(body).length
        }
        const figures = {
          cpuUs: (await each.cpuUs()) - before,
          firstTokenMs: median(firstBytesMs),
          characters,
        }
        check(arm, calls, figures, await endpoint.takeCounters())
        return { cpuUs: figures.cpuUs, firstByteMs: figures.firstTokenMs }
      })
    } finally {
      await endpoint.close()
    }
  }

  await withEndpoint('none', async (call) => {
    for (const arm of functions.keys()) {
      progress(`${name}: warming up ${arm}`)
      await call(arm, quick ? callsPerTurn : full.warmUpCalls)
    }
  })
  return withEndpoint(latency, async (call) => {
    // A new client's first call is dearer than the others.
    for (const arm of functions.keys()) await call(arm, 1)
    return paired({
      arms: [...functions.keys()],
      rounds,
      turns,
      measure: async (arm) => {
        const { cpuUs, firstByteMs } = await call(arm, callsPerTurn)
        return name === 'firstByte' ? firstByteMs : cpuUs / (callsPerTurn * maxTokens)
      },
      onRound: (round) => {
        if (round % 5 === 0) progress(`${name}: round ${round + 1} of ${rounds}`)
      },
    })
  })
}
