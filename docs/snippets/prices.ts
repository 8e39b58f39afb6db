import { BedrockClient, GetInferenceProfileCommand } from '@aws-sdk/client-bedrock'
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { type CatalogueData, costMeter, priceBook } from '@sluice/cost-meter'

const s3 = new S3Client()
const bedrock = new BedrockClient()

export const prices = priceBook({
  overrides: {
    // USD per million tokens, as your contract has them.
    bedrock: { 'eu.amazon.nova-lite-v1:0': { input: 0.07, output: 0.28 } },
    sagemaker: {
      // A price for each call, whatever it takes.
      'ticket-classifier': { call: 0.0004 },
      // A share of the instance: 1.408 USD an hour, for 4 calls at once.
      summarizer: { hour: 1.408 / 4 },
    },
  },
  async load(abortSignal) {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'prices', Key: 'bedrock.json' }), {
      abortSignal,
    })
    return JSON.parse((await Body?.transformToString()) ?? '') as CatalogueData
  },
  async profiles(inferenceProfileIdentifier, abortSignal) {
    const profile = new GetInferenceProfileCommand({ inferenceProfileIdentifier })
    const { models } = await bedrock.send(profile, { abortSignal })
    return models?.length === 1 ? models[0]?.modelArn : undefined
  },
})

export const meter = costMeter({ prices })
