import { handler as example } from '@sluice/example-s3-documents/handler.ts'
import { metered } from './metered.ts'

export const handler = metered(example)
