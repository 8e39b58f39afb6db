/** The one who reads the answer of a function: what he is told, and whether it is what the model has said. */

import type { LocalFunction } from 'sluice/local'
import type { MatrixEvent, Prompt } from './matrix-event.ts'
import { pieceOf } from './matrix-event.ts'
import type { Saw, Scenario } from './scenario.ts'

export interface Reading {
  readonly saw: Saw
  readonly code?: string | undefined
  /** What cannot be, as for example words after the last event. */
  readonly strange: readonly string[]
  /** Type of the error with which the invocation ended. */
  readonly errorType?: string | undefined
}

/** Compares, piece by piece, what comes with what the model says. */
export function follow(prompt: Prompt) {
  let due = ''
  let index = 0
  return {
    /** Whether this is what had to come next. */
    next(text: string): boolean {
      while (due.length < text.length && index < prompt.pieces) due += pieceOf(prompt, index++)
      if (!due.startsWith(text)) return false
      due = due.slice(text.length)
      return true
    },
    get whole() {
      return index === prompt.pieces && due === ''
    },
  }
}

/** Reads a stream of server-sent events to its end, or leaves it. */
export async function readStream(
  target: LocalFunction,
  event: MatrixEvent,
  leaves: Scenario['leaves'],
): Promise<Reading> {
  const { body, ended } = await target.invokeStream(event, { whenReaderLeaves: leaves ? 'fail' : 'silent' })
  const told = follow(event.prompt)
  const strange: string[] = []
  const last: { readonly type: string; readonly code?: string }[] = []
  let rest = ''
  let left = leaves === 'at once'

  function read(block: string): void {
    if (!block.startsWith('event: ')) return
    const [head = '', data = ''] = block.split('\ndata: ')
    const type = head.slice('event: '.length)
    const { text = '', code } = JSON.parse(data || '{}') as { text?: string; code?: string }
    if (last.length > 0) strange.push(`${type} after the last event`)
    if (type === 'token' && !told.next(text)) strange.push('words that the model has not said')
    if (type === 'done' || type === 'error') last.push({ type, ...(code !== undefined && { code }) })
    left ||= leaves === 'after tokens' && type === 'token'
    left ||= leaves === 'after the last word' && (type === 'done' || type === 'error')
  }

  const reader = body[Symbol.asyncIterator]()
  const parts: string[] = []
  const decoder = new TextDecoder()
  while (!left) {
    const step = await reader.next()
    if (step.done) break
    const chunk = decoder.decode(step.value, { stream: true })
    parts.push(chunk)
    // Large events come in thousands of chunks: they are put together once.
    if (!chunk.includes('\n\n') && !chunk.startsWith('\n')) continue
    const blocks = (rest + parts.splice(0).join('')).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) read(block)
  }
  rest += parts.join('')
  if (left) await reader.return?.()
  const { error } = await ended
  const errorType = error?.errorType
  if (left) return { saw: 'left', strange, errorType }
  if (rest !== '' && !error) strange.push('an event that breaks off')
  const [end] = last
  if (!end) {
    if (error) return { saw: 'nothing', strange, errorType }
    return { saw: 'part', strange: [...strange, 'an end without a last event'] }
  }
  if (end.type === 'error') return { saw: 'part', code: end.code, strange, errorType }
  if (!told.whole) strange.push('done, but words are missing')
  return { saw: 'whole', strange, errorType }
}

export async function readWhole(target: LocalFunction, event: MatrixEvent): Promise<Reading> {
  const { payload, error } = await target.invoke<{ text?: string; body?: string }>(event)
  if (error) return { saw: 'nothing', strange: [], errorType: error.errorType }
  const told = follow(event.prompt)
  const strange: string[] = []
  if (!told.next(payload?.text ?? payload?.body ?? '')) strange.push('words that the model has not said')
  if (!told.whole) strange.push('an answer in which words are missing')
  return { saw: 'whole', strange }
}
