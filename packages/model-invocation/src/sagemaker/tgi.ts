/** Text generation inference of Hugging Face, and the older language of AWS's containers for large models. */

import { noUsage, type Usage } from '@sluice/core'
import { type AnswerPart, refuseErrors, type SageMakerAdapter, stopReasonOf } from './adapter.ts'

/** A text, or a request with parameters. */
export type TgiPrompt = string | TgiRequest

/** A request with parameters. */
export interface TgiRequest {
  /** The prompt, in the template of the model. */
  readonly inputs: string
  readonly parameters?: Readonly<Record<string, unknown>>
}

/** The language of text generation inference: `{ inputs, parameters }`. */
export function tgi(): SageMakerAdapter<TgiPrompt, string> {
  return {
    contentType: 'application/json',
    accept: 'application/json',
    write(prompt, { maxTokens, temperature, topP, stopSequences }, streaming) {
      const { inputs, parameters } = typeof prompt === 'string' ? { inputs: prompt, parameters: {} } : prompt
      return JSON.stringify({
        inputs,
        parameters: {
          max_new_tokens: maxTokens,
          temperature,
          top_p: topP,
          stop: stopSequences,
          return_full_text: false,
          details: true,
          // Tells how long the prompt was; a stream tells it by itself, and refuses to be asked.
          ...(!streaming && { decoder_input_details: true }),
          ...parameters,
        },
        ...(streaming && { stream: true }),
      })
    },
    withMaxTokens(body, maxTokens) {
      const request = JSON.parse(body) as TgiRequest
      return JSON.stringify({ ...request, parameters: { ...request.parameters, max_new_tokens: maxTokens } })
    },
    read(body) {
      const told = JSON.parse(body) as Generation | readonly Generation[]
      const generation = (Array.isArray(told) ? told[0] : told) as Generation
      refuseErrors(generation)
      const { generated_text: text, details } = generation
      if (typeof text !== 'string') throw new TypeError('There is no text.')
      return {
        message: text,
        text,
        stopReason: stopReasonOf(details?.finish_reason),
        usage: tgiUsage(details),
      }
    },
    stream: {
      readLine: readTgiLine,
      marksEnd: true,
      collect: (parts) => parts.map(({ text = '' }) => text).join(''),
    },
  }
}

interface Generation {
  readonly generated_text?: string | null
  readonly token?: { readonly text?: string; readonly special?: boolean }
  readonly details?: Details | null
}

interface Details {
  readonly finish_reason?: string
  readonly generated_tokens?: number
  /** In a stream. */
  readonly input_length?: number
  /** In a whole answer, where it was asked for. */
  readonly prefill?: readonly unknown[]
}

function tgiUsage(details: Details | null | undefined): Usage | undefined {
  const inputTokens = details?.input_length ?? (details?.prefill?.length || undefined)
  const outputTokens = details?.generated_tokens
  // Half of it would be taken for the whole.
  if (inputTokens === undefined || outputTokens === undefined) return undefined
  return { ...noUsage, inputTokens, outputTokens }
}

/** @internal */
export function readTgiLine(line: string): AnswerPart {
  const { token, details, generated_text, ...rest } = JSON.parse(line) as Generation
  refuseErrors(rest)
  const usage = tgiUsage(details)
  const stopReason = stopReasonOf(details?.finish_reason)
  return {
    // A special token, such as the end of the text, is none of it.
    ...(token?.text && !token.special && { text: token.text }),
    ...(stopReason !== undefined && { stopReason }),
    ...(usage && { usage }),
    ...(typeof generated_text === 'string' && { last: true }),
  }
}
