/** Each message is one execution of the state machine. */
import { execute } from '@sluice/example-step-functions/state-machine.ts'
import { type Answer, each, type Sender } from './sender.ts'

interface Output {
  readonly intent?: string
  readonly error?: { readonly Error: string }
}

export const asExecutions: Sender = async ({ functions }, texts, { concurrency, signal, onDone }) => {
  const answers: Answer[] = []
  const reasons: string[] = []
  await each(texts, concurrency, async (text) => {
    const { output } = await execute(functions as Parameters<typeof execute>[0], { text }, signal)
    const { intent = '', error } = output as Output
    if (error) reasons.push(`${error.Error}: handed to a human`)
    else answers.push({ text, answer: intent })
    onDone()
  })
  return { events: texts.length, failed: reasons.length, eventsMs: [], answers, reasons }
}
