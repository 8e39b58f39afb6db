/** Watches a stream without touching it, and learns from it what a container of a known kind says about its answer. */

import type { ResponseStream } from '@aws-sdk/client-sagemaker-runtime'
import type { Seen } from '@sluice/core'
import type { AnswerPart } from './adapter.ts'
import { readChatLine } from './chat.ts'
import { lineReader } from './lines.ts'
import { readTgiLine } from './tgi.ts'

/** Reads a part of an answer as it was told. */
export function notePart({ text, delta, stopReason, usage, last }: AnswerPart, seen: Seen): void {
  if (text || delta) {
    seen.contentEvents++
    seen.outputBytes += Buffer.byteLength(text ?? JSON.stringify(delta))
  }
  if (stopReason !== undefined) seen.stopReason = stopReason
  // Some tell it with every part, the last one counts.
  if (usage) seen.usage = usage
  if (last) seen.complete = true
}

/** More than this in one line is no event of a language model. */
const maxLineBytes = 65_536

/**
 * Events as they are, and how to read them. What speaks like chat completions or text generation inference has to say
 * that its answer is whole; of everything else, the end of the stream is the end of the answer.
 */
export function streamWatcher(body: AsyncIterable<ResponseStream>): {
  events: AsyncIterable<ResponseStream>
  read(event: unknown, seen: Seen): void
} {
  const lines = lineReader()
  let readLine: ((line: string) => AnswerPart) | 'unknown' | undefined
  let watched: Seen | undefined
  let readBytes = 0

  function readKnown(line: string, seen: Seen): void {
    try {
      readLine ??= kindOf(line)
      if (typeof readLine === 'function') notePart(readLine(line), seen)
    } catch {
      // What it is to mean is its reader's to say; here it is an answer that goes on.
      seen.contentEvents++
    }
  }

  function read(event: unknown, seen: Seen): void {
    watched = seen
    const bytes = (event as ResponseStream).PayloadPart?.Bytes
    if (!bytes || bytes.length === 0) return
    readBytes += bytes.length
    if (readLine === undefined && lines.waiting === 0 && !looksLikeLines(bytes)) readLine = 'unknown'
    if (readLine !== 'unknown') {
      for (const line of lines.push(bytes)) readKnown(line, seen)
      if (readLine === undefined && lines.waiting > maxLineBytes) readLine = 'unknown'
    }
    if (readLine === 'unknown') {
      seen.contentEvents++
      seen.outputBytes += bytes.length
    }
  }

  async function* events(): AsyncGenerator<ResponseStream> {
    yield* body
    if (!watched) return
    for (const line of lines.end()) readKnown(line, watched)
    if (typeof readLine !== 'function') {
      // What came in one line is known for an answer only now.
      if (watched.contentEvents === 0) Object.assign(watched, { contentEvents: 1, outputBytes: readBytes })
      watched.complete = true
    }
  }

  return { events: events(), read }
}

/** Server-sent events and lines of JSON; text and tables are none of it. */
function looksLikeLines(bytes: Uint8Array): boolean {
  const start = Buffer.from(bytes.subarray(0, 16)).toString('latin1').trimStart()
  return start === '' || /^(?:[{:]|d(?:$|a)|e(?:$|v)|i(?:$|d)|r(?:$|e))/.test(start)
}

function kindOf(line: string): ((line: string) => AnswerPart) | 'unknown' {
  const value = JSON.parse(line) as object
  if ('choices' in value) return readChatLine
  return 'token' in value ? readTgiLine : 'unknown'
}
