/**
 * The provider of one run, in a process of its own: `node endpoint.ts '{settings}'` prints where it is and ends when its
 * standard input does.
 */

import { type LocalModel, startBedrock } from 'sluice/local'
import { compressedClock } from './compressed-time.ts'
import { modelId, type Settings, serviceMs, tokensPerSecond, truthOf } from './settings.ts'

const settings = JSON.parse(process.argv[2] as string) as Settings
const clock = compressedClock(settings.compression)
const { burstTokens, burndown } = truthOf(settings)

/** The prompt says how long its answer is. Who leaves is charged for what there was of it, to a second's tokens. */
const asLongAsTold: LocalModel = async function* asLongAsTold({ turns }, signal) {
  const tokens = Number.parseInt(turns.at(-1)?.text ?? '1', 10)
  const startedAtMs = clock.now()
  for (let done = 0; done < tokens; ) {
    const part = Math.min(tokensPerSecond, tokens - done)
    done += part
    // By the clock, so that late timers do not add up.
    await clock.sleep(Math.max(0, startedAtMs + serviceMs(done) - clock.now()), signal)
    yield Array<string>(part).fill(' word')
  }
}

const bedrock = await startBedrock({
  clock,
  latency: 'none',
  model: asLongAsTold,
  models: { [modelId]: { burndown } },
  quotas: [{ tokensPerMinute: settings.tokensPerMinute, burstTokens }],
  // All of them: they are the account that the figures are made from.
  keepRequests: 10_000_000,
})
console.log(JSON.stringify({ url: bedrock.url }))
process.stdin.on('end', () => process.exit()).resume()
