/** Bodies that only their model understands, looked into without parsing them. */

const maxTokenNames =
  /"(?:max_tokens|maxTokens|max_gen_len|maxTokenCount|max_new_tokens|max_completion_tokens)"\s*:\s*(\d{1,7})/

const temperatureName = /"temperature"\s*:\s*(\d+(?:\.\d+)?)/

/** The families name the maximum differently, but none of them hides it; it is looked for without parsing megabytes. */
export function declaredIn(body: Uint8Array | string): {
  maxTokens: number | undefined
  temperature: number | undefined
} {
  const ends = endsOf(body)
  const [maxTokens, temperature] = [maxTokenNames, temperatureName].map((name) => name.exec(ends)?.[1])
  return {
    maxTokens: maxTokens === undefined ? undefined : Number(maxTokens),
    temperature: temperature === undefined ? undefined : Number(temperature),
  }
}

/** All but the middle of a long body, where prompts, images and answers are. */
export function endsOf(body: Uint8Array | string): string {
  const [first, last] = [body.slice(0, 4096), body.slice(4096).slice(-4096)]
  return typeof first === 'string'
    ? first + last
    : Buffer.from(first).toString('latin1') + Buffer.from(last as Uint8Array).toString('latin1')
}
