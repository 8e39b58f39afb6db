import { expect, test } from 'vitest'
import { readTrace } from './trace.ts'

test('reads times from the first request on, and sizes', () => {
  const csv = [
    'TIMESTAMP,ContextTokens,GeneratedTokens',
    '2023-11-16 18:17:03.9799600,4808,10',
    '2023-11-16 18:17:04.0319600,3180,8',
    '',
  ].join('\r\n')
  expect(readTrace(csv)).toEqual([
    { atMs: 0, inputTokens: 4808, outputTokens: 10 },
    { atMs: 52, inputTokens: 3180, outputTokens: 8 },
  ])
})

test('what is no trace is told with its line', () => {
  expect(() => readTrace('time,in,out\n')).toThrow('time,in,out')
  expect(() => readTrace('TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03,x,1')).toThrow(
    'Line 2',
  )
})
