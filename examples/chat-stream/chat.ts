import type { APIGatewayProxyEventV2 } from 'aws-lambda'

/** What the page sends. */
export interface Chat {
  /** A random name that the page has made up for the answer: who knows it can stop it. */
  readonly streamId: string
  readonly messages: Message[]
}

interface Message {
  readonly role: 'user' | 'assistant'
  readonly content: { readonly text: string }[]
}

const maxMessages = 40
const maxCharacters = 4_000

/** Undefined for whatever is no chat. */
export function chatOf({ body, isBase64Encoded }: APIGatewayProxyEventV2): Chat | undefined {
  try {
    const text = isBase64Encoded ? Buffer.from(body ?? '', 'base64').toString() : (body ?? '')
    const { streamId, messages = [] } = JSON.parse(text) as {
      streamId?: unknown
      messages?: readonly { role?: unknown; text?: unknown }[]
    }
    if (typeof streamId !== 'string' || !/^[\w-]{16,64}$/.test(streamId)) return undefined
    if (!Array.isArray(messages) || messages.length > maxMessages) return undefined
    return { streamId, messages: messages.map(messageOf) }
  } catch {
    return undefined
  }
}

function messageOf({ role, text }: { readonly role?: unknown; readonly text?: unknown }): Message {
  if ((role !== 'user' && role !== 'assistant') || typeof text !== 'string' || text === '') {
    throw new TypeError('A message has a role and a text.')
  }
  return { role, content: [{ text: text.slice(0, maxCharacters) }] }
}
