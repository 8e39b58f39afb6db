/** The same pipeline on this machine: for the demonstration and for the tests. */
import { type Local, type LogLine, startLocal } from 'sluice/local'

const functionIn = (file: string, exportName: string, environment: Readonly<Record<string, string>>) => ({
  handler: new URL(file, import.meta.url),
  exportName,
  timeoutMs: 10_000,
  environment,
})

type FunctionName = 'submitToBedrock' | 'collectFromBedrock' | 'submitToSageMaker' | 'collectFromSageMaker'

export function startCloud(
  onLog?: (line: LogLine) => void,
  /** For the functions, beside what the local cloud gives them. */
  environment: Readonly<Record<string, string>> = {},
): Promise<Local<FunctionName, never, 'tickets'>> {
  return startLocal({
    bedrock: { latency: 'none' },
    functions: {
      submitToBedrock: functionIn('./bedrock.ts', 'submit', environment),
      collectFromBedrock: functionIn('./bedrock.ts', 'collect', environment),
      submitToSageMaker: functionIn('./sagemaker.ts', 'submit', environment),
      collectFromSageMaker: functionIn('./sagemaker.ts', 'collect', environment),
    },
    buckets: { tickets: {} },
    batch: { function: 'collectFromBedrock' },
    sagemaker: {
      // What a classifier in a container would do: a line in, a line out.
      models: { 'ticket-classifier': ({ body }) => body.split('\n').map(classify).join('\n') },
      transformFunction: 'collectFromSageMaker',
    },
    ...(onLog && { onLog }),
  })
}

function classify(line: string): string {
  const { text } = JSON.parse(line) as { readonly text: string }
  return JSON.stringify({ label: /card/i.test(text) ? 'card' : /loan/i.test(text) ? 'loan' : 'other' })
}

/** As many tickets as a batch job needs, and a few more. */
export function tickets(count = 120): { id: string; text: string }[] {
  const kinds = ['My card never came.', 'I want a loan for a house.', 'When do you open on Saturdays?']
  return Array.from({ length: count }, (_, at) => ({
    id: `t${at}`,
    text: kinds[at % kinds.length] as string,
  }))
}

export const asLines = (rows: readonly object[]): string =>
  rows.map((row) => `${JSON.stringify(row)}\n`).join('')
