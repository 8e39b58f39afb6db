import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { realMessages } from './messages.ts'

async function csv(content: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-demo-test-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  await writeFile(join(directory, 'messages.csv'), content)
  return join(directory, 'messages.csv')
}

test('the first column is read with its quotes, commas and line breaks', async () => {
  const file = await csv('text,category\nplain,a\n"with, comma",b\n"with ""quotes""",c\n"two\nlines",d\n')
  expect(realMessages(4, file).texts).toEqual(['plain', 'with, comma', 'with "quotes"', 'two\nlines'])
})

test('fewer than there are come from all over, more begin again', async () => {
  const file = await csv(
    `text,category\n${'abcdef'
      .split('')
      .map((text) => `${text},x\n`)
      .join('')}`,
  )
  expect(realMessages(3, file).texts).toEqual(['a', 'c', 'e'])
  expect(realMessages(8, file).texts.join('')).toBe('abcdefab')
})

test('without that file there are sentences of the installed packages', () => {
  const { texts, source } = realMessages(50, '/nowhere/messages.csv')
  expect(source).toContain('READMEs')
  expect(texts).toHaveLength(50)
  expect(new Set(texts).size).toBe(50)
  for (const text of texts) expect(text).toMatch(/^[A-Z][\s\S]{40,200}[.!?]$/)
})
