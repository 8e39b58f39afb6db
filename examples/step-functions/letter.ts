/** What goes from state to state: each one adds its part. */
import { z } from 'zod'

export interface Letter {
  readonly text: string
}

export const Facts = z.object({
  customerName: z.string().nullable(),
  orderNumber: z.string().nullable(),
  amount: z.number().nullable(),
})

export interface Extracted extends Letter {
  readonly facts: z.infer<typeof Facts>
}

export interface Classified extends Extracted {
  readonly intent: string
}

export interface Answered extends Classified {
  readonly reply: string
}
