/** What every arm is given: the same endpoint, model, prompt and length of answer. */
export interface ArmSettings {
  /** URL of the local Bedrock endpoint. */
  url: string
  region: string
  modelId: string
  prompt: string
  /** The endpoint's answer is exactly this long. */
  maxTokens: number
}

/** One way to call the model, as its users write it in a Lambda handler; credentials come from the environment. */
export interface Arm {
  /** One buffered call; resolves to the text of the answer. */
  invoke(): Promise<string>
  /** One streamed call; hands the pieces of the text on as they arrive, and resolves after the last. */
  stream(onText: (piece: string) => void): Promise<void>
}

export type CreateArm = (settings: ArmSettings) => Arm

/** Adding an arm is one line here and one file that exports `createArm`. The first one is the baseline. */
export const armModules = {
  sdk: './arms/sdk.ts',
  sdkReused: './arms/sdk-reused.ts',
  sluice: './arms/sluice.ts',
  sluiceAll: './arms/sluice-all.ts',
  aiSdk: './arms/ai-sdk.ts',
  langchain: './arms/langchain.ts',
} as const

export type ArmName = keyof typeof armModules
