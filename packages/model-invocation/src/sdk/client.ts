/**
 * What is done to a client once, for the calls that are attempts of ours and for no others: sessions are reused, the
 * attempt's signal reaches the wire, streams are decoded faster, and the SDK does not retry beside us.
 */

import { currentAttempt } from '@sluice/core'
import { type EventStreamMarshaller, fastMarshaller } from './event-stream.ts'
import { guardedRequestHandler, type RequestHandler } from './request-handler.ts'

export interface ClientOptions {
  /**
   * Keeps HTTP/2 sessions between calls instead of opening one for each. Only ever applies to the SDK's HTTP/2 handler.
   *
   * @default true
   */
  readonly reuseSessions?: boolean
  /** Wall-clock milliseconds, by which a session that slept is recognised. */
  readonly now?: () => number
}

/** The parts of a client that are wrapped; of the SDK's public configuration. */
interface Config {
  requestHandler: RequestHandler
  retryStrategy(): Promise<unknown>
  eventStreamMarshaller?: EventStreamMarshaller
}

const prepared = Symbol.for('sluice.client.1')

/** Prepares a client in place; a second time changes nothing. */
export function prepareClient(
  client: { readonly config: object },
  { reuseSessions = true, now = Date.now }: ClientOptions = {},
): void {
  if (prepared in client) return
  Object.defineProperty(client, prepared, { value: true })
  const config = client.config as unknown as Config
  config.requestHandler = guardedRequestHandler(config.requestHandler, { reuseSessions, now })
  if (config.eventStreamMarshaller?.deserialize) {
    config.eventStreamMarshaller = fastMarshaller(config.eventStreamMarshaller)
  }
  // The chain is the only retry loop of an attempt; all else goes on as it was.
  const inherited = config.retryStrategy
  config.retryStrategy = async () => (currentAttempt() ? once : inherited())
}

/** One attempt, as the SDK speaks to its retry strategies. */
const once = {
  acquireInitialRetryToken: async () => ({ getRetryCount: () => 0, getRetryDelay: () => 0 }),
  refreshRetryTokenForRetry: () => Promise.reject(new Error('The chain of policies retries.')),
  recordSuccess: () => {},
}
