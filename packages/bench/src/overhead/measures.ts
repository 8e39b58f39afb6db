import type { BedrockOptions } from 'sluice/local'

export interface Measure {
  operation: 'invoke' | 'stream'
  /** Length of each answer. */
  maxTokens: number
  callsPerTurn: number
  /** Turns of each arm in a round. */
  turns: number
  /**
   * Calls before the first round, to an endpoint without latency: until the compiler has seen enough, every
   * round is cheaper than the one before.
   */
  warmUpCalls: number
  latency: NonNullable<BedrockOptions['latency']>
}

export const measures = {
  buffered: {
    operation: 'invoke',
    maxTokens: 64,
    callsPerTurn: 20,
    turns: 8,
    warmUpCalls: 1_000,
    latency: 'none',
  },
  // Without a pace the endpoint's tokens share packets, the reader wakes up once for many of them, and the
  // figure is that of a parser. A model sends them one by one: so does the endpoint here, only faster than a
  // model, since idle time between two tokens costs no CPU; yet slowly enough for timers to keep them apart.
  token: {
    operation: 'stream',
    maxTokens: 256,
    callsPerTurn: 1,
    turns: 1,
    warmUpCalls: 60,
    latency: { firstTokenMs: 0, tokensPerSecond: 600, jitter: 0 },
  },
  // That parser, for orientation: the part of `token` that is not waking up and reading a socket. By now
  // streaming is warm.
  tokenAtOnce: {
    operation: 'stream',
    maxTokens: 256,
    callsPerTurn: 4,
    turns: 3,
    warmUpCalls: 12,
    latency: 'none',
  },
  firstToken: {
    operation: 'stream',
    maxTokens: 4,
    callsPerTurn: 10,
    turns: 3,
    warmUpCalls: 60,
    latency: 'none',
  },
} as const satisfies Record<string, Measure>

export type MeasureName = keyof typeof measures
