import { handler as classifying } from '@sluice/example-step-functions/classify.ts'
import { handler as extracting } from '@sluice/example-step-functions/extract.ts'
import { handler as generating } from '@sluice/example-step-functions/generate.ts'
import { metered } from './metered.ts'

export const extract = metered(extracting)
export const classify = metered(classifying)
export const generate = metered(generating)
