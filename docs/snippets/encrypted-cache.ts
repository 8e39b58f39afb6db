import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { cache } from '@sluice/model-invocation'
import { dynamoDBCacheStore } from '@sluice/store/dynamodb'

/** `secret` has 32 bytes; fetch it at init, for example from Secrets Manager. */
export function encryptedCache(secret: Uint8Array) {
  return cache({
    ttlMs: 60 * 60_000,
    store: dynamoDBCacheStore({ tableName: 'sluice' }),
    encode(answer) {
      const nonce = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', secret, nonce)
      const text = Buffer.concat([cipher.update(answer), cipher.final()])
      return Buffer.concat([nonce, cipher.getAuthTag(), text])
    },
    decode(bytes) {
      const decipher = createDecipheriv('aes-256-gcm', secret, bytes.subarray(0, 12))
      decipher.setAuthTag(bytes.subarray(12, 28))
      return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()])
    },
  })
}
