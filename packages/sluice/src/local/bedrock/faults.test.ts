import { ConverseCommand } from '@aws-sdk/client-bedrock-runtime'
import { describe, expect, test } from 'vitest'
import { type FaultRule, faultRules } from './faults.ts'
import { clientFor, MODEL, say, startForTest } from './testing.ts'

describe('rules', () => {
  const subject = { modelId: MODEL, operation: 'converse', transport: 'http2', inputTokens: 1 } as const
  const strikes = (rule: Partial<FaultRule>, count = 10) => {
    const faults = faultRules([{ fault: 'refuse', ...rule } as FaultRule], Math.random)
    return Array.from({ length: count }, (_, index) => index + 1).filter(() => faults.pick(subject))
  }

  test.each<[Partial<FaultRule>, number[]]>([
    [{ first: 2 }, [1, 2]],
    [{ skip: 8 }, [9, 10]],
    [{ every: 4 }, [4, 8]],
    [{ skip: 1, first: 5, every: 2 }, [3, 5]],
    [{ probability: 0 }, []],
    [{ probability: 1, first: 1 }, [1]],
    [{ model: 'other' }, []],
    [{ model: 'eu.anthropic.*', first: 1 }, [1]],
    [{ operation: 'invoke' }, []],
    [{ operation: ['invoke', 'converse'], first: 1 }, [1]],
    [{ when: ({ inputTokens }) => inputTokens > 1 }, []],
  ])('%o strikes %o', (rule, expected) => {
    expect(strikes(rule)).toEqual(expected)
  })

  test('the first rule that matches decides, and only it is counted', () => {
    const faults = faultRules(
      [
        { fault: 'refuse', first: 1 },
        { fault: 'blackhole', first: 1 },
      ],
      Math.random,
    )
    const struck = () => faults.pick(subject)?.fault.fault
    expect([struck(), struck(), struck()]).toEqual(['refuse', 'blackhole', undefined])
    faults.reset()
    expect(struck()).toBe('refuse')
  })

  test('what only a stream can suffer passes whole answers by', () => {
    expect(strikes({ fault: 'streamException' })).toEqual([])
  })

  test('a seed makes chance repeat', async () => {
    const run = async () => {
      const bedrock = await startForTest({ seed: 7, faults: [{ fault: 'throttle', probability: 0.5 }] })
      const client = clientFor(bedrock)
      for (let turn = 0; turn < 20; turn++) await client.send(new ConverseCommand(say('Hi.'))).catch(() => {})
      await bedrock.idle()
      return bedrock.requests().map(({ outcome }) => outcome)
    }
    const outcomes = await run()
    expect(new Set(outcomes)).toEqual(new Set(['ok', 'throttled']))
    expect(await run()).toEqual(outcomes)
  })

  test.each([
    [{ fault: 'error', name: 'X' }, 'an error needs name and status'],
    [{ fault: 'barrier' }, 'a barrier needs a count'],
    [{ fault: 'slowStart' }, 'a slow start needs ms'],
    [{ fault: 'refuse', every: 0 }, 'every is 0'],
    [{ fault: 'cut', afterEvents: -1 }, 'afterEvents is -1'],
    [null, 'there is no fault'],
  ])('%o is refused', (rule, message) => {
    expect(() => faultRules([rule as never], Math.random)).toThrow(message)
  })
})
