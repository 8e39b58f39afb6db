/** Reads a stream of `tokenStream()` to its end, for a browser or for Node: server-sent events of a POST. */
export async function read(url: string, body: string, onText: (text: string) => void): Promise<object> {
  const response = await fetch(url, { method: 'POST', body })
  if (!response.ok || !response.body) throw new Error(`Status ${response.status}`)
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of response.body) {
    const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const [, type, data = ''] = /^event: (.*)\ndata: (.*)$/s.exec(block) ?? []
      if (type === 'token') onText(JSON.parse(data).text)
      if (type === 'done') return JSON.parse(data)
      if (type === 'error') throw new Error(JSON.parse(data).code)
    }
  }
  throw new Error('The connection ended before the answer did.')
}
