/** What is needed of a client: that it runs scripts. */

import { createHash } from 'node:crypto'

/** As in ioredis and iovalkey. */
export interface IoRedisScripts {
  evalsha(sha1: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>
  eval(script: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>
}

/** As in node-redis. */
export interface NodeRedisScripts {
  evalSha(sha1: string, options: ScriptOptions): Promise<unknown>
  eval(script: string, options: ScriptOptions): Promise<unknown>
}

interface ScriptOptions {
  keys: string[]
  arguments: string[]
}

/** Of a client, of a cluster's or of a pool. Connecting and reconnecting is the client's. */
export type RedisScripts = IoRedisScripts | NodeRedisScripts

/** Runs a script by its digest, and brings it along where the server does not know it. */
export function redisScript(client: RedisScripts, script: string) {
  const sha1 = createHash('sha1').update(script).digest('hex')
  const nodeRedis = 'evalSha' in client

  return async (keys: string[], args: string[]): Promise<unknown> => {
    try {
      return await (nodeRedis
        ? client.evalSha(sha1, { keys, arguments: args })
        : client.evalsha(sha1, keys.length, ...keys, ...args))
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
      return nodeRedis
        ? client.eval(script, { keys, arguments: args })
        : client.eval(script, keys.length, ...keys, ...args)
    }
  }
}
