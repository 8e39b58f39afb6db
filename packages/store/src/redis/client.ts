/** What is needed of clients: that one runs scripts, and that another one hears what scripts publish. */

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

/** As in ioredis and iovalkey. */
export interface IoRedisSubscriber {
  subscribe(channel: string): Promise<unknown>
  on(event: 'message', listener: (channel: string, message: string) => void): unknown
}

/** As in node-redis. */
export interface NodeRedisSubscriber {
  evalSha: unknown
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>
}

/** A connection of its own, because one that listens does nothing else. */
export type RedisSubscriber = IoRedisSubscriber | NodeRedisSubscriber

/** Resolves when `heard` gets what is published from then on. */
export async function redisListen(
  client: RedisSubscriber,
  channel: string,
  heard: (message: string) => void,
): Promise<void> {
  if ('evalSha' in client) await client.subscribe(channel, heard)
  else {
    await client.subscribe(channel)
    // Only then: who fails tries again, and would leave a listener behind each time.
    client.on('message', (from, message) => {
      if (from === channel) heard(message)
    })
  }
}

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
