/** What both ways share: where tickets come from, and where their labels go. */
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'

export const s3 = new S3Client({})
export const bucket = process.env.BUCKET ?? 'tickets'
export const labels = ['card', 'loan', 'other'] as const

export interface Ticket {
  readonly id: string
  readonly text: string
}

/** The tickets of a day: lines of JSON in one object. */
export async function ticketsOf(day: string): Promise<Ticket[]> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: `inbox/${day}/tickets.jsonl` }))
  const lines = (await Body?.transformToString())?.trimEnd().split('\n') ?? []
  return lines.map((line) => JSON.parse(line) as Ticket)
}

export interface Labelled {
  readonly id: string
  readonly label: string
}

/** What came of a job: labels, and the tickets that have none, each with its reason. */
export async function writeLabels(
  job: string,
  labelled: readonly Labelled[],
  failed: readonly { readonly id: string; readonly code: string; readonly retryable: boolean }[] = [],
): Promise<{ labelled: number; failed: number }> {
  const put = (name: string, rows: readonly object[]) =>
    s3.send(
      new PutObjectCommand({
        Bucket: bucket,
        Key: `labels/${job}/${name}.jsonl`,
        Body: rows.map((row) => `${JSON.stringify(row)}\n`).join(''),
      }),
    )
  await put('labels', labelled)
  if (failed.length > 0) await put('failed', failed)
  return { labelled: labelled.length, failed: failed.length }
}
