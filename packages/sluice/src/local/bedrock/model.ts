/** The built-in model: small, deterministic, without weights. */
import type { LocalModel } from './request.ts'
import { splitTokens } from './tokens.ts'

/** Answers with sentences of its prompt. */
export const extractive: LocalModel = async function* extractive({ turns }) {
  yield splitTokens(turns.at(-1)?.text ?? '')
}
