import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'
import { converse } from '../converse.ts'
import type { OpenSandbox } from '../policy.ts'
import { standardClient } from './sdk-client.ts'
import { untilAdmitted } from './until-admitted.ts'

/** The package of that name, as its users limit tokens: the prompt is consumed before, the answer when it is there. */
export const openSandbox: OpenSandbox = (surroundings) => {
  const { account, redis, requested, settings } = surroundings
  if (!redis) throw new Error('rate-limiter-flexible is measured on Redis: give --store redis.')
  const { factor } = settings.compression
  const limiter = new RateLimiterRedis({
    storeClient: redis,
    useRedisPackage: true,
    keyPrefix: account,
    points: settings.tokensPerMinute,
    duration: 60 / factor,
  })
  const bedrock = standardClient(surroundings)
  return async (work) => {
    async function ask(): Promise<number | undefined> {
      requested()
      try {
        await limiter.consume('tokens', work.inputTokens)
        return undefined
      } catch (refused) {
        if (refused instanceof RateLimiterRes) return refused.msBeforeNext * factor + Math.random() * 2_000
        throw refused
      }
    }
    await untilAdmitted(ask, surroundings, work)
    const { outputTokens } = await converse(bedrock, work, settings)
    requested()
    await limiter.penalty('tokens', outputTokens)
  }
}
