import { createClient } from '@redis/client'

export type RedisClient = Awaited<ReturnType<typeof openRedis>>

export async function openRedis(url: string) {
  const client = createClient({ url })
  await client.connect()
  return client
}
