import type { createClient } from '@redis/client'

/** What a message holds. Its id stays the same in copies and second deliveries, unlike that of the message. */
export interface Ticket {
  readonly id: string
  /** A broken one has none. */
  readonly text?: string
}

/** @throws TypeError when it is broken, however often it comes */
export function readTicket(body: string): Required<Ticket> {
  const { id, text } = JSON.parse(body) as Ticket
  if (text === undefined) throw new TypeError('The ticket has no text.')
  return { id, text }
}

export const modelId = 'amazon.nova-lite-v1:0'
export const maxTokens = 16

/** The same question in both arms; its metadata tell the endpoint whose call it is. */
export function question({ id, text }: Required<Ticket>, invocation: string) {
  return {
    messages: [{ role: 'user' as const, content: [{ text }] }],
    requestMetadata: { message: id, invocation },
  }
}

/** The result of a message, where it outlives its sandbox. Each delivery is one line more. */
export async function deliver(
  redis: Pick<ReturnType<typeof createClient>, 'rPush'>,
  { id }: Ticket,
  invocation: string,
): Promise<void> {
  await redis.rPush('results', `${id} ${invocation}`)
}
