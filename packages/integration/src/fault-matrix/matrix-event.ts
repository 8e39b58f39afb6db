/** What the function under test is told to do. The endpoint has a script of its own. */

export type Way =
  /** The handler returns, or reads, the stream of the model. */
  | 'stream'
  /** The same by a guarded client of the SDK. */
  | 'client'
  /** A generator that asks the model when it is read. */
  | 'lazy'
  /** Converse, in one piece. */
  | 'whole'

export interface MatrixEvent {
  /** Tells runs apart everywhere: it is the tenant of records and requests. */
  readonly run: string
  /** Tells apart what is open at the endpoint. */
  readonly modelId: string
  readonly way: Way
  /** For the model: see `Prompt`. */
  readonly prompt: Prompt
  /** The handler begins when the deadline is over. */
  readonly late?: boolean | undefined
  /** Where the handler throws. */
  readonly throws?: 'first' | 'midway' | 'last' | undefined
  /** A call that nobody waits for, and that never ends. */
  readonly abandons?: boolean | undefined
  /** A second call while the first one streams. */
  readonly sideCall?: boolean | undefined
  readonly store?: { readonly of: 'take' | 'settle' | 'cancel'; readonly how: Trouble } | undefined
  readonly sink?: { readonly of: 'attempt' | 'side call' | 'end'; readonly how: Trouble } | undefined
  /** Calls must be over so many milliseconds after the start. */
  readonly deadlineMs?: number | undefined
  /** One of the handlers that are wrong on purpose. */
  readonly bug?: Bug | undefined
}

export type Trouble = 'throws' | 'hangs'

/** What the local model answers: `pieces` words that name the run, each filled up to `bytes`. */
export interface Prompt {
  readonly run: string
  readonly pieces: number
  readonly bytes?: number | undefined
  /** Silence for ever before this piece; at `pieces` before the last word. */
  readonly pauseAt?: number | undefined
}

export const bugs = [
  'swallows the error event',
  'says done after a cut',
  'kills the process',
  'leaves a stream open',
  'no record of what failed',
  'every record twice',
  'usage made up',
  'a part passed off as the whole',
  'a message lost',
  'a message done and sent back',
  'words of another',
] as const
export type Bug = (typeof bugs)[number]

export function pieceOf({ run, bytes = 0 }: Prompt, index: number): string {
  return `${run}.${index} `.padEnd(bytes, '.')
}

export function textOf(prompt: Prompt, pieces: number = prompt.pieces): string {
  return Array.from({ length: pieces }, (_, index) => pieceOf(prompt, index)).join('')
}
