import { handler as example } from '@sluice/example-api-inference/handler.ts'
import { metered } from './metered.ts'

export const handler = metered(example)
