/** One sandbox under a hard budget: a policy of its own, and one invocation of some calls. */

import {
  type BedrockRuntimeClient,
  ConverseCommand,
  ConverseStreamCommand,
} from '@aws-sdk/client-bedrock-runtime'
import { type Clock, runInScope } from '@sluice/core'
import { BudgetExceededError, budget } from '@sluice/cost-meter'
import type { BudgetStore } from '@sluice/store'

const modelId = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0'

/** So much that about a third of all calls are let in. */
export const hardUsd = 0.2
/** The longest that an invocation lasts; ten seconds later, what it held counts as spent. */
export const deadlineMs = 60_000

/** What became of its calls. */
export interface SandboxResult {
  answered: number
  /** By the endpoint. */
  failed: number
  refused: number
  /** Not sent, because the store failed. */
  unreachable: number
}

export interface SandboxOptions {
  /** A guarded client. */
  readonly client: BedrockRuntimeClient
  readonly store: BudgetStore
  readonly clock: Clock
  readonly tenant: string
  readonly calls: number
  readonly random: () => number
}

export async function runSandbox({
  client,
  store,
  clock,
  tenant,
  calls,
  random,
}: SandboxOptions): Promise<SandboxResult> {
  const result: SandboxResult = { answered: 0, failed: 0, refused: 0, unreachable: 0 }
  const policy = budget({ limits: [{ per: 'all', period: 'day', hardUsd }], store, region: 'us-east-1' })
  const scope = { tenant, clock, deadlineMs: clock.now() + deadlineMs, policies: [policy] }
  await runInScope(scope, async () => {
    for (let n = 0; n < calls; n++) {
      const input = {
        modelId,
        messages: [{ role: 'user' as const, content: [{ text: promptOf(random) }] }],
        inferenceConfig: { maxTokens: 20 + Math.floor(random() * 60) },
      }
      try {
        if (random() < 0.5) await client.send(new ConverseCommand(input))
        else for await (const _ of (await client.send(new ConverseStreamCommand(input))).stream ?? []);
        result.answered++
      } catch (error) {
        if (!(error instanceof BudgetExceededError)) result.failed++
        else if (error.reason === 'store') result.unreachable++
        else result.refused++
      }
    }
  })
  return result
}

function promptOf(random: () => number): string {
  return 'My parcel never came, and nobody answers my letters. '.repeat(1 + Math.floor(random() * 12))
}
