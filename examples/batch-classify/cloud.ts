/** The same pipeline on this machine: for the demonstration and for the tests. */
import { type Local, type LogLine, startLocal } from 'sluice/local'

const at = (name: string) => new URL(name, import.meta.url)

const functions = {
  submitToBedrock: { handler: at('./bedrock.ts'), exportName: 'submit', timeoutMs: 10_000 },
  collectFromBedrock: { handler: at('./bedrock.ts'), exportName: 'collect', timeoutMs: 10_000 },
  submitToSageMaker: { handler: at('./sagemaker.ts'), exportName: 'submit', timeoutMs: 10_000 },
  collectFromSageMaker: { handler: at('./sagemaker.ts'), exportName: 'collect', timeoutMs: 10_000 },
}

export function startCloud(
  onLog?: (line: LogLine) => void,
): Promise<Local<keyof typeof functions, never, 'tickets'>> {
  return startLocal({
    bedrock: { latency: 'none' },
    functions,
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
