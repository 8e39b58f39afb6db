import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { afterEach, expect, test } from 'vitest'
import { type BucketDefinition, startLocal } from './index.ts'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

async function startBucketWith(definition: BucketDefinition) {
  const lines: string[] = []
  const local = await startLocal({
    functions: { capitals: { handler: new URL('./fixtures/s3.ts', import.meta.url) } },
    buckets: {
      documents: { function: 'capitals', prefix: 'in/', ...definition } as { function: 'capitals' },
    },
    onLog: ({ text }) => lines.push(text.split('\t').at(-1) ?? ''),
  })
  closers.push(local.close)
  const records = () =>
    lines.filter((line) => line.startsWith('record ')).map((line) => JSON.parse(line.slice(7)))
  return { bucket: local.buckets.documents, records, environment: local.environment }
}

test('an object written is an event, with its key as S3 writes it; the function reads and writes the bucket', async () => {
  const { bucket, records } = await startBucketWith({ suffix: '.txt' })
  await bucket.put('in/a b+c/ü.txt', 'grüezi')
  await bucket.put('in/other.json', '{}')
  await bucket.put('elsewhere/a.txt', 'no')
  await bucket.settled()
  expect(await bucket.get('out/in/a b+c/ü.txt')).toBe('GRÜEZI')
  expect(records()).toMatchObject([
    {
      eventSource: 'aws:s3',
      eventName: 'ObjectCreated:Put',
      awsRegion: 'us-east-1',
      s3: {
        bucket: { name: 'documents', arn: 'arn:aws:s3:::documents' },
        object: { key: 'in/a+b%2Bc/%C3%BC.txt', size: 7, eTag: expect.stringMatching(/^[0-9a-f]{32}$/) },
      },
    },
  ])
  await expect(bucket.get('out/in/other.json')).rejects.toMatchObject({ name: 'NoSuchKey' })
})

test('copies and multipart uploads are events of their own kind, written by any client', async () => {
  const { bucket, records, environment } = await startBucketWith({})
  const { AWS_ENDPOINT_URL_S3: endpoint = '', AWS_REGION: region = '' } = environment
  const s3 = new S3Client({ endpoint, region, credentials: { accessKeyId: 'a', secretAccessKey: 'b' } })
  const target = { Bucket: 'documents', Key: 'in/parts.txt' }
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand(target))
  const { ETag } = await s3.send(new UploadPartCommand({ ...target, UploadId, PartNumber: 1, Body: 'part' }))
  await s3.send(
    new CompleteMultipartUploadCommand({
      ...target,
      UploadId,
      MultipartUpload: { Parts: [{ ETag, PartNumber: 1 }] },
    }),
  )
  await bucket.settled()
  await s3.send(
    new CopyObjectCommand({ Bucket: 'documents', Key: 'in/copy.txt', CopySource: 'documents/in/parts.txt' }),
  )
  await bucket.settled()
  s3.destroy()
  expect(records().map(({ eventName }) => eventName)).toEqual([
    'ObjectCreated:CompleteMultipartUpload',
    'ObjectCreated:Copy',
  ])
  expect(await bucket.get('out/in/copy.txt')).toBe('PART')
})

test('a failing event is sent again, then given up', async () => {
  const { bucket, records } = await startBucketWith({ retries: 2, retryDelayMs: 1 })
  await bucket.put('in/bad.txt', 'fail')
  await bucket.settled()
  expect(records()).toHaveLength(3)
  expect(bucket.failures()).toMatchObject([
    { key: 'in/bad.txt', result: { error: { errorMessage: 'told to' } } },
  ])
})
