/** The text in a body of server-sent events, ours or the AI SDK's: what an arm has handed on, for the check of its work. */
export function textOf(body: string): string {
  let text = ''
  for (const [, data = ''] of body.matchAll(/^data: (\{.*\})$/gm)) {
    const event = JSON.parse(data) as { readonly text?: string; readonly delta?: string }
    text += event.text ?? event.delta ?? ''
  }
  return text
}
