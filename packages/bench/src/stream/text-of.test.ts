import { expect, test } from 'vitest'
import { textOf } from './text-of.ts'

test('the text of both protocols, and nothing else', () => {
  expect(textOf('event: token\ndata: {"text":"a\\n"}\n\nevent: usage\ndata: {"outputTokens":2}\n\n')).toBe(
    'a\n',
  )
  expect(textOf('data: {"type":"text-delta","id":"1","delta":"b"}\n\n:\n\ndata: [DONE]\n\n')).toBe('b')
})
