import type { FaultSubject } from 'sluice/local'
import { expect, test } from 'vitest'
import { type Call, recordCalls, unavoidableCalls } from './calls.ts'

const died = (invocation: string) => invocation.startsWith('dead')
const answered = (invocation: string): Call => ({ invocation, faulted: false })
const failed = (invocation: string): Call => ({ invocation, faulted: true })

test.for<[string, Call[], number]>([
  ['never asked: once, all the same', [], 1],
  ['asked once', [answered('a')], 1],
  ['asked again after an answer', [answered('a'), answered('b'), answered('c')], 1],
  ['a failure of the provider', [failed('a'), failed('a'), answered('a')], 3],
  ['a failure after an answer', [answered('a'), failed('b'), answered('b')], 1],
  ['an answer that died with its sandbox', [answered('dead'), answered('b')], 2],
  ['nothing but failures', [failed('a'), failed('b')], 3],
  ['nothing but deaths', [answered('dead')], 2],
])('%s', ([, calls, floor]) => {
  expect(unavoidableCalls(calls, died)).toBe(floor)
})

test('each call is written down once, with its fault, whichever rule it was', () => {
  const calls = recordCalls(0.25)
  const subject = (message: string): FaultSubject => ({
    modelId: 'm',
    operation: 'converse',
    transport: 'http2',
    inputTokens: 1,
    metadata: { message, invocation: `of ${message}` },
  })
  const struck = Array.from({ length: 1_000 }, (_, at) => {
    const each = subject(`ticket-${at}`)
    return calls.faults.filter(({ when }) => when?.(each)).length
  })
  expect(Math.max(...struck)).toBe(1)
  const faulted = struck.filter(Boolean).length
  expect(faulted).toBeGreaterThan(200)
  expect(faulted).toBeLessThan(300)
  expect(calls.faulted).toBe(faulted)
  const at = struck.indexOf(1)
  expect(calls.of(`ticket-${at}`)).toEqual([{ invocation: `of ticket-${at}`, faulted: true }])
  expect(calls.of(`ticket-${struck.indexOf(0)}`)).toMatchObject([{ faulted: false }])
  expect(calls.of('another')).toEqual([])
})
