import { expect, test } from 'vitest'
import { type Evidence, tally } from './tally.ts'

const ticket = (id: string) => ({ id, text: 'text' })
const letter = (messageId: string, id: string) => ({
  messageId,
  body: JSON.stringify({ id }),
  receiveCount: 6,
})

function evidence(more: Partial<Evidence>): Evidence {
  return {
    tickets: [],
    results: [],
    deadLetters: [],
    reasons: { of: () => undefined },
    calls: { of: (id) => [{ invocation: `of ${id}`, faulted: false }] },
    killed: new Set(),
    requests: 0,
    ...more,
  }
}

test('every message is in one place, and what is in two is told', () => {
  const why: Record<string, string> = { m1: 'ThrottlingException', m2: 'TypeError' }
  const found = tally(
    evidence({
      tickets: ['done', 'twice', 'dead', 'both', 'lost'].map(ticket),
      results: ['done 1', 'twice 2', 'twice 3', 'both 4'],
      deadLetters: [letter('m1', 'dead'), letter('m2', 'both'), letter('m3', 'dead')],
      reasons: { of: (id) => why[id] },
      requests: 10,
    }),
  )
  expect(found).toEqual({
    messages: 5,
    results: 3,
    deadLettered: 1,
    deadLetteredForQuota: 1,
    lost: 1,
    duplicated: 1,
    callsPerMessage: 2,
    floor: 1,
    reasons: { ThrottlingException: 1, TypeError: 1, unknown: 1 },
    deadAndDone: 1,
  })
})

test('the floor: a death counts only before the result, and a broken message needs no call', () => {
  const calls = (id: string) =>
    ['killed', 'later'].map((when) => ({ invocation: `${id} ${when}`, faulted: false }))
  const found = tally(
    evidence({
      tickets: [ticket('before'), ticket('after'), { id: 'broken' }],
      results: ['before before later', 'after after killed', 'after after later'],
      calls: { of: calls },
      killed: new Set(['before killed', 'after killed']),
    }),
  )
  expect(found.floor).toBe((2 + 1 + 0) / 3)
})
