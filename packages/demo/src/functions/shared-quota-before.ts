import { handler as example } from '@sluice/example-shared-quota/before.ts'
import { metered } from './metered.ts'

export const handler = metered(example)
