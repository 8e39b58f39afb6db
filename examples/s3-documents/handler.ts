import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import middy from '@middy/core'
import { s3Objects } from '@sluice/event-sources'
import { modelStep, retry } from '@sluice/model-invocation'
import { bedrock } from '@sluice/model-invocation/bedrock'
import { z } from 'zod'
import { documentText, isDocument } from './document-text.ts'

const modelId = process.env.MODEL_ID ?? 'eu.amazon.nova-lite-v1:0'
const inputPrefix = process.env.INPUT_PREFIX ?? 'documents/'
const outputPrefix = process.env.OUTPUT_PREFIX ?? 'analyses/'
const client = new S3Client({})

const Analysis = z.object({
  title: z.string(),
  summary: z.string(),
  topics: z.array(z.string()).max(5),
})

const documents = s3Objects({
  client,
  input: { prefix: inputPrefix },
  output: { prefix: outputPrefix },
  accept: ({ key }) => isDocument(key),
  parse: async ({ bucket, key, bytes }) => ({ bucket, key, text: await documentText(key, await bytes()) }),
})

export const handler = middy(
  modelStep({
    model: bedrock(modelId, { maxTokens: 500, temperature: 0 }),
    source: documents,
    prompt: ({ text }) => `Analyse this document.\n\n<document>${text}</document>`,
    schema: Analysis,
    async deliver(analysis, { bucket, key }) {
      const Key = `${outputPrefix}${key.slice(inputPrefix.length)}.json`
      const Body = JSON.stringify({ document: key, ...analysis })
      await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body, ContentType: 'application/json' }))
    },
  }),
)
  .use(documents)
  .use(retry())
