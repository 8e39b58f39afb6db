import { handler as example } from '@sluice/example-sdk-handler/after.ts'
import { metered } from './metered.ts'

export const handler = metered(example)
