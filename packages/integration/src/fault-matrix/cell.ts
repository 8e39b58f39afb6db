/** The four dimensions of the matrix. What happens in a cell of it is in `scenario.ts`. */

/** What breaks. */
export const faults = [
  'cut',
  'truncated',
  'stall',
  'throttle',
  '5xx',
  'reader',
  'handler',
  'store',
  'sink',
  'too long',
] as const
export type MatrixFault = (typeof faults)[number]

/** When it breaks: before the first byte of the answer, while it streams, or after its last word. */
export const phases = ['before', 'streaming', 'draining'] as const
export type Phase = (typeof phases)[number]

/** How the function answers. */
export const modes = ['buffered', 'streamed', 'batch'] as const
export type Mode = (typeof modes)[number]

/** Whether time is up before it breaks, while that is being dealt with, or not at all. */
export const timeouts = ['before', 'during', 'after'] as const
export type Timeout = (typeof timeouts)[number]

export interface Cell {
  readonly fault: MatrixFault
  readonly phase: Phase
  readonly mode: Mode
  readonly timeout: Timeout
}

/** What the words mean, for those who read the table. */
export const faultWords: Readonly<Record<MatrixFault, string>> = {
  cut: 'the provider cuts the connection',
  truncated: 'the answer ends as if it were whole',
  stall: 'the provider falls silent',
  throttle: 'the provider throttles, inside a stream once it has begun',
  '5xx': 'the provider fails with a 5xx, inside a stream once it has begun',
  reader: 'the response stream fails because its reader has left',
  handler: 'the handler throws',
  store: 'a store is down',
  sink: 'a sink for metrics is down',
  'too long': 'the answer is over the limit of a response (200 MB streamed, 6 MB buffered)',
}

export const phaseWords: Readonly<Record<Phase, string>> = {
  before: 'before the first byte',
  streaming: 'while it streams',
  draining: 'after the last word',
}

export const cells: readonly Cell[] = faults.flatMap((fault) =>
  phases.flatMap((phase) =>
    modes.flatMap((mode) => timeouts.map((timeout) => ({ fault, phase, mode, timeout }))),
  ),
)

export function nameOf({ fault, phase, mode, timeout }: Cell): string {
  return `${fault}, ${phase}, ${mode}, time-out ${timeout}`
}
