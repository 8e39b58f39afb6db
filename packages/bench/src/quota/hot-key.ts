import { randomUUID } from 'node:crypto'
import type { Bench, BenchReport } from '../bench.ts'
import { machine } from '../machine.ts'
import { AA, type PairedResult, paired, voidReason } from '../paired.ts'
import { table } from '../table.ts'
import { type Pair, pairs, plenty, takeOne } from './pair.ts'

type Arm = 'raw' | 'quota' | typeof AA

/** How much of its backend's own speed a store keeps, at the least. */
const goals = { redis: 0.5, dynamodb: 0.45 } as const
const takers = 1_000

/** All sandboxes at one key: takes and settlements, beside as many requests that do the least. */
export const quotaHotKey: Bench = {
  summary: 'one ledger, 1,000 takers at once: beside bare requests to the same store',
  async run({ rounds, quick, progress }): Promise<BenchReport> {
    const results: { name: keyof typeof pairs; result: PairedResult<Arm> }[] = []
    for (const name of ['redis', 'dynamodb'] as const) {
      const pair = await pairs[name]()
      try {
        progress(`${name}: ${rounds} rounds`)
        results.push({ name, result: await compare(pair, rounds, quick ? 1 : turnsOf[name]) })
      } finally {
        await pair.close()
      }
    }
    const rows = results.map(({ name, result }) => {
      const { value, interval } = result.ratio('raw', 'quota')
      const rate = (arm: Arm) => Math.round(1e6 / result.arms[arm].median).toLocaleString('en')
      return [
        name,
        rate('raw'),
        rate('quota'),
        value.toFixed(3),
        interval.map((end) => end.toFixed(3)).join('-'),
        `>= ${goals[name]} ${interval[0] >= goals[name] ? 'met' : 'MISSED'}`,
        result.ratio(AA, 'raw').value.toFixed(3),
      ]
    })
    return {
      text: [
        `${takers.toLocaleString('en')} takers at once, each with the next operation when it has the answer to the last. An operation of`,
        'the quota store is a take or a settlement; a raw one is a script that writes one value, with the same keys,',
        'arguments and size of reply (Redis), or a conditional update of an item of the same size (DynamoDB Local).',
        '',
        table(['store', 'raw/s', 'quota/s', 'quota/raw', '95 %', 'goal', 'A/A'], rows),
        '',
        machine(),
      ].join('\n'),
      json: Object.fromEntries(
        results.map(({ name, result }) => {
          const { value, interval } = result.ratio('raw', 'quota')
          const perSecond = (arm: Arm) => Math.round(1e6 / result.arms[arm].median)
          const speeds = { raw: perSecond('raw'), quota: perSecond('quota') }
          return [name, { perSecond: speeds, ratio: value, ci: interval, aa: result.ratio(AA, 'raw').value }]
        }),
      ),
      voidReasons: results.flatMap(
        ({ name, result }) => voidReason(name, result.ratio(AA, 'raw').value) ?? [],
      ),
    }
  },
}

/** Pairs of operations of each taker in a turn. */
const turnsOf = { redis: 5, dynamodb: 1 } as const

async function compare(pair: Pair, rounds: number, times: number): Promise<PairedResult<Arm>> {
  const stores = Array.from({ length: takers }, () => pair.store())

  async function takeAndSettle(store: ReturnType<Pair['store']>): Promise<void> {
    const id = randomUUID()
    const change = takeOne(id)
    const { answers } = await store.update('hot', change)
    if (answers[0]?.state !== 'admitted')
      throw new Error(`A take was not admitted: ${JSON.stringify(answers[0])}.`)
    const settlements = [{ ...change.takes[0]!, id, usedTokens: 4_000, sent: true }]
    await store.update('hot', { limits: plenty, settlements })
  }
  async function rawTwice(): Promise<void> {
    await pair.raw()
    await pair.raw()
  }
  /** Microseconds per operation. */
  async function measure(arm: Arm): Promise<number> {
    const startedAt = performance.now()
    await Promise.all(
      stores.map(async (store) => {
        for (let time = 0; time < times; time++) await (arm === 'quota' ? takeAndSettle(store) : rawTwice())
      }),
    )
    return ((performance.now() - startedAt) * 1_000) / (2 * times * takers)
  }
  await takeAndSettle(stores[0]!)
  for (let warmUp = 0; warmUp < 3; warmUp++) {
    for (const arm of ['raw', 'quota'] as const) await measure(arm)
  }
  return paired<Arm>({ arms: ['raw', 'quota', AA], rounds, measure })
}
