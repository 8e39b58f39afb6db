import type { ArmSettings } from '../overhead/arm.ts'

/** A handler as Lambda's runtime calls one that streams; what it returns is of no interest. */
export type StreamingHandler = (
  event: { readonly prompt: string },
  response: unknown,
  context: object,
) => Promise<unknown>

/** Every arm is a function with response streaming, as its users write it. */
export type CreateHandler = (settings: ArmSettings) => StreamingHandler

/** Adding an arm is one line here and one file that exports `createHandler`. The first one is the baseline. */
export const armModules = {
  handWritten: './arms/hand-written.ts',
  handWrittenReused: './arms/hand-written-reused.ts',
  sluice: './arms/sluice.ts',
  sluiceEach: './arms/sluice-each.ts',
  aiSdk: './arms/ai-sdk.ts',
} as const

export type StreamArm = keyof typeof armModules
