import type { Counters } from 'sluice/local'
import { expect, test } from 'vitest'
import { workCheck } from './check-work.ts'

const counters = {
  requests: 3,
  operations: { converse: 3 },
  outcomes: { ok: 3 },
  outputTokens: 192,
  maxOpen: 1,
} as unknown as Counters
const figures = { cpuUs: 1, firstTokenMs: 0, characters: 300 }

function check(seen: Partial<Counters>, characters = 300): void {
  const work = workCheck({ operation: 'invoke', maxTokens: 64 })
  work('sdk', 3, figures, counters)
  work('ours', 3, { ...figures, characters }, { ...counters, ...seen })
}

test('an arm that did what it was told passes', () => {
  expect(() => check({})).not.toThrow()
})

test.each<[string, Partial<Counters>]>([
  ['a retried call', { requests: 4, operations: { converse: 4 }, outcomes: { ok: 3, throttled: 1 } }],
  ['a failed call', { outcomes: { ok: 2, throttled: 1 } }],
  ['a missing call', { requests: 2, operations: { converse: 2 }, outcomes: { ok: 2 } }],
  ['another operation', { operations: { 'converse-stream': 3 } }],
  ['a shorter answer', { outputTokens: 191 }],
  ['calls at the same time', { maxOpen: 2 }],
])('%s is found', (_, seen) => {
  expect(() => check(seen)).toThrow('Arm ours')
})

test('text that was not handed on is found', () => {
  expect(() => check({}, 299)).toThrow('charactersHandedOn')
  const work = workCheck({ operation: 'invoke', maxTokens: 64 })
  expect(() => work('sdk', 3, { ...figures, characters: 0 }, counters)).toThrow('Arm sdk')
})
