/** The same classification as jobs: messages become an object in a bucket, and the labels come back beside it. */
import { BedrockClient } from '@aws-sdk/client-bedrock'
import { S3Client } from '@aws-sdk/client-s3'
import { promptTokens, type Usage } from '@sluice/core'
import { priceBook, priceOf, usdText } from '@sluice/cost-meter'
import { asLines, startCloud } from '@sluice/example-batch-classify/cloud.ts'
import { readBatchJob } from '@sluice/model-invocation/bedrock-batch'
import { sum, type Tokens } from './accounts.ts'
import { grid, type Row } from './grid.ts'

export interface JobResult {
  readonly job: string
  readonly records: number
  /** Records that have a label in the end. */
  readonly labelled: number
  readonly seconds: number
  /** What the endpoint counted while the job ran. A model of one's own tells no tokens. */
  readonly endpointTokens?: Tokens
  /** As the results of the job tell, summed up. */
  readonly tokens?: Tokens
  /** At the price of batches, in exact decimal text. */
  readonly costUsd?: string
  /** The same at the price of direct calls. */
  readonly directUsd?: string
}

/** A job of Bedrock needs so many records. */
const leastRecords = 100
const day = '2026-11-21'

export async function runJobs(
  texts: readonly string[],
  environment: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<JobResult[]> {
  const count = Math.max(leastRecords, texts.length)
  const tickets = Array.from({ length: count }, (_, at) => ({
    id: `t${at}`,
    text: texts[at % texts.length]!,
  }))
  const local = await startCloud(undefined, environment)

  async function run(job: string, submit: (typeof local.functions)['submitToBedrock']) {
    signal.throwIfAborted()
    const startedAt = performance.now()
    const { payload, error } = await submit.invoke<{ jobName: string; jobArn?: string }>({ day }, { signal })
    if (!payload) throw new Error(`${job}: ${error?.errorType}: ${error?.errorMessage}`)
    await Promise.all([local.batch.settled(), local.sagemaker.settled()])
    const labels = await local.buckets.tickets.get(`labels/${payload.jobName}/labels.jsonl`)
    const labelled = labels.trimEnd().split('\n').length
    const seconds = Math.round((performance.now() - startedAt) / 100) / 10
    return { jobArn: payload.jobArn ?? '', result: { job, records: count, labelled, seconds } }
  }

  try {
    await local.buckets.tickets.put(`inbox/${day}/tickets.jsonl`, asLines(tickets))
    const bedrock = await run('batch-classify, Bedrock', local.functions.submitToBedrock)
    const usages = await usagesOf(bedrock.jobArn, local.environment)
    const answered = local.bedrock.requests().filter(({ outcome }) => outcome === 'ok')
    const sageMaker = await run('batch-classify, SageMaker', local.functions.submitToSageMaker)
    return [
      {
        ...bedrock.result,
        endpointTokens: sum(
          answered.map(({ inputTokens, outputTokens }) => ({ in: inputTokens, out: outputTokens })),
        ),
        tokens: sum(usages.map((usage) => ({ in: promptTokens(usage), out: usage.outputTokens }))),
        ...(await costsOf(usages, environment.MODEL_ID ?? '', local.environment.AWS_REGION)),
      },
      sageMaker.result,
    ]
  } finally {
    await local.close()
  }
}

/** What the job itself tells: the service made the calls, so that no meter saw them. */
async function usagesOf(jobArn: string, environment: Readonly<Record<string, string>>): Promise<Usage[]> {
  const { AWS_ENDPOINT_URL_BEDROCK, AWS_ENDPOINT_URL_S3 } = environment
  const common = {
    region: environment.AWS_REGION ?? '',
    credentials: {
      accessKeyId: environment.AWS_ACCESS_KEY_ID ?? '',
      secretAccessKey: environment.AWS_SECRET_ACCESS_KEY ?? '',
    },
  }
  const client = new BedrockClient({ ...common, endpoint: AWS_ENDPOINT_URL_BEDROCK ?? '' })
  const s3 = new S3Client({ ...common, endpoint: AWS_ENDPOINT_URL_S3 ?? '', forcePathStyle: true })
  const usages: Usage[] = []
  for await (const result of readBatchJob(jobArn, { client, s3 })) {
    if (result.status === 'fulfilled' && result.answer?.usage) usages.push(result.answer.usage)
  }
  client.destroy()
  s3.destroy()
  return usages
}

async function costsOf(
  usages: readonly Usage[],
  modelId: string,
  region: string | undefined,
): Promise<Pick<JobResult, 'costUsd' | 'directUsd'>> {
  const catalogue = await priceBook().open(modelId)
  const costs = [true, false].map((batch) => {
    const prices = usages.map((usage) =>
      priceOf({ provider: 'bedrock', modelId, usage, atMs: Date.now(), region, batch }, catalogue),
    )
    if (!prices.every((price) => price.priced)) return undefined
    return usdText(prices.reduce((total, { picoUsd }) => total + BigInt(picoUsd), 0n))
  })
  const [costUsd, directUsd] = costs
  return costUsd !== undefined && directUsd !== undefined ? { costUsd, directUsd } : {}
}

const columns = ['records', 'labelled', 'tokens in', 'tokens out', 'seconds', 'USD', 'direct, USD'] as const

export function jobsTable(jobs: readonly JobResult[]): string {
  const rows = jobs.flatMap(
    ({ job, records, labelled, seconds, endpointTokens, tokens, costUsd, directUsd }) => {
      const cells = (of: Tokens | undefined) => ({ 'tokens in': of?.in, 'tokens out': of?.out })
      const lines: Row<(typeof columns)[number]>[] = [{ head: job, cells: {} }]
      if (endpointTokens) lines.push({ head: '  endpoint', cells: { records, ...cells(endpointTokens) } })
      const told = { records, labelled, ...cells(tokens), seconds: seconds.toFixed(1) }
      lines.push({ head: '  results', cells: { ...told, USD: costUsd, 'direct, USD': directUsd } })
      return lines
    },
  )
  return grid(rows, columns)
}
