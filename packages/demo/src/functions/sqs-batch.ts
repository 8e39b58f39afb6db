import { handler as example } from '@sluice/example-sqs-batch/handler.ts'
import { metered } from './metered.ts'

export const handler = metered(example)
