/** What must hold, whatever breaks; and what the scenario says besides. Each function returns what is wrong. */

import type { AttemptCostRecord, CostRecord } from '@sluice/cost-meter'
import type { RequestRecord, SandboxInfo } from 'sluice/local'
import type { Reading } from './reader.ts'
import type { Scenario } from './scenario.ts'

export interface Metered {
  /** As a sink was given them. */
  readonly records: readonly CostRecord[]
  /** As the endpoint saw them. */
  readonly requests: readonly RequestRecord[]
}

/** The reader can tell the whole from a part, and the invocation has an end that its runtime survives. */
export function readerFaults(
  { saw, code, strange, errorType }: Reading,
  { expected }: Scenario,
  anyEnd: boolean,
): string[] {
  const wrong = strange.map((what) => `the reader got ${what}`)
  const died = errorType !== undefined && /^(Sandbox|Runtime)\./.test(errorType)
  // The process of AWS's own runtime client does not survive a response that it cannot write.
  if (died && saw !== 'left') {
    wrong.push(`the invocation ended with ${errorType}`)
  }
  if ((saw === 'part' || saw === 'nothing') && code === undefined) wrong.push('nobody was told why')
  if (anyEnd) return wrong
  if (saw !== expected.saw) wrong.push(`the reader got ${saw}, not ${expected.saw}`)
  else if (saw !== 'left' && !(expected.code?.split(' or ').includes(code ?? '') ?? code === undefined))
    wrong.push(`the reason is ${code}, not ${expected.code}`)
  return wrong
}

/** Whatever was sent is metered: once, with what the endpoint has counted or with an upper bound of it. */
export function meterFaults({ records, requests }: Metered, scenario: Scenario, anyEnd: boolean): string[] {
  const wrong: string[] = []
  const attempts = records.filter((record) => record.kind === 'attempt')
  const calls = records.filter((record) => record.kind === 'call')
  const invocations = records.filter((record) => record.kind === 'invocation')
  const keys = attempts.map(({ callId, attempt }) => `${callId}/${attempt}`)
  if (new Set(keys).size !== keys.length) wrong.push('an attempt was metered twice')
  // An attempt that was ended on its way to the endpoint may never have come there.
  if (attempts.length < requests.length) wrong.push('a request was not metered')
  const ended = attempts.filter(({ error }) => error !== undefined).length
  if (attempts.length - ended > requests.length) wrong.push('an attempt was metered that never was')
  for (const { error, cost, estimated, atMost } of attempts) {
    if (!cost.priced) wrong.push('an attempt has no price')
    if (estimated && !atMost) wrong.push(`an estimate has no upper bound (${error?.code})`)
  }
  wrong.push(...usageFaults(attempts, requests))
  // Where the process dies with its reader, what comes at the end is lost; each attempt is not.
  if (invocations.length !== 1 && !(scenario.leaves && invocations.length === 0))
    wrong.push(`${invocations.length} records of one invocation`)
  for (const { attempts: counted, calls: called, usage } of invocations) {
    if (counted !== attempts.length) wrong.push('the sum has another number of attempts')
    if (called !== calls.length) wrong.push('the sum has another number of calls')
    const output = sum(attempts, (each) => each.usage.outputTokens)
    if (usage.outputTokens !== output) wrong.push('the sum is not that of its attempts')
  }
  if (calls.reduce((total, call) => total + call.sent, 0) !== attempts.length)
    wrong.push('an attempt is of no call')
  if (!anyEnd) {
    const ends = attempts.map(({ status }) => status).sort()
    const due = expectedEnds(scenario)
    if (ends.join() !== due.join()) wrong.push(`metered were ${ends.join()}, not ${due.join()}`)
  }
  return wrong
}

function usageFaults(attempts: readonly AttemptCostRecord[], requests: readonly RequestRecord[]): string[] {
  const counted = requests.map(({ inputTokens, outputTokens }) => `${inputTokens}/${outputTokens}`)
  for (const { estimated, usage, status } of attempts) {
    if (estimated || status !== 'answered') continue
    const index = counted.indexOf(`${usage.inputTokens}/${usage.outputTokens}`)
    if (index < 0) return ['the usage of an answer is not what the endpoint counted']
    counted.splice(index, 1)
  }
  // What an exception took the place of had been made, but is billed only with what was sent before it.
  const made = requests.filter(({ outcome }) => outcome !== 'streamException')
  const most = sum(attempts, ({ atMost, usage }) => (atMost ?? usage).outputTokens)
  if (most < sum(made, ({ outputTokens }) => outputTokens)) return ['more was made than was metered at most']
  return []
}

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0)
}

/** Of a batch the messages around the second one are answered: the first before it, the third if there is time for it. */
export function expectedEnds({ mode, expected, event }: Scenario): string[] {
  const { attempts, code } = expected
  if (mode !== 'batch' || (event?.store?.of === 'take' && event.store.how === 'hangs'))
    return [...attempts].sort()
  const third = code === 'deadline_exceeded' ? [] : ['answered']
  return ['answered', ...attempts, ...third].sort()
}

export function endpointFaults(open: number): string[] {
  return open === 0 ? [] : [`${open} generations were left open`]
}

/** One process from the first event to the last. */
export function sandboxFaults(before: SandboxInfo | undefined, after: readonly SandboxInfo[]): string[] {
  const [sandbox] = after
  if (!sandbox || sandbox.state === 'dead') return ['the sandbox died']
  return before && sandbox.id !== before.id ? ['the sandbox was replaced'] : []
}
