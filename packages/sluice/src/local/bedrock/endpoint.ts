/** The local Bedrock runtime endpoint. */
import { type Clock, seededRandom, systemClock } from './clock.ts'
import { control } from './control.ts'
import { type Account, type Counters, openAccount, type RequestRecord } from './counters.ts'
import { type FaultRule, faultRules } from './faults.ts'
import type { LocalGuardrail } from './guardrail.ts'
import { type Latency, paceOf } from './latency.ts'
import { listen } from './listener.ts'
import { extractive } from './model.ts'
import type { ModelLimits } from './models.ts'
import { promptCache } from './prompt-cache.ts'
import { type QuotaRule, quotaRules } from './quota.ts'
import type { LocalModel } from './request.ts'
import { type Service, serve } from './serve.ts'
import { type UpstreamOptions, upstreamModel } from './upstream.ts'

/** Options of {@link startBedrock}. */
export interface BedrockOptions {
  /** @default 0, a free port */
  port?: number
  /** @default '127.0.0.1' */
  host?: string
  /** How fast it answers; `'none'` is at once. @default 350 ms to the first token, then 80 tokens a second */
  latency?: Latency | 'none'
  /** What goes wrong. @default nothing */
  faults?: readonly FaultRule[]
  /** The quotas of the models. @default none */
  quotas?: readonly QuotaRule[]
  /** Limits of models that differ from the built-in ones, by id; ids of any shape become known by being here. */
  models?: Record<string, Partial<ModelLimits>>
  /** Guardrails by id. @default none */
  guardrails?: Readonly<Record<string, LocalGuardrail>>
  /** What makes the answers. @default the built-in extractive model */
  model?: LocalModel
  /** An OpenAI-compatible server that makes the answers instead, at its own speed unless `latency` is given. */
  upstream?: string | UpstreamOptions
  /** Seed of jitter and of faults with a probability. @default 1 */
  seed?: number
  /** How many request records are kept. @default 10_000 */
  keepRequests?: number
  /** @default the system's */
  clock?: Clock
}

/** A running endpoint. */
export interface LocalBedrock {
  /** For `endpoint` of a client, or `AWS_ENDPOINT_URL_BEDROCK_RUNTIME`. */
  readonly url: string
  readonly port: number
  /** What it was asked and what it produced, up to now. */
  counters(): Counters
  /** The last requests that ended, oldest first. */
  requests(): RequestRecord[]
  /** Starts accounts, quotas, prompt cache and the counts of the fault rules again. */
  reset(): void
  /** Replaces the fault rules. @throws TypeError for a rule that cannot be used */
  setFaults(rules: readonly FaultRule[]): void
  /** Resolves when no generation is open. */
  idle(): Promise<void>
  /** Resolves when the counters satisfy the predicate. */
  until: Account['until']
  /** Ends all connections and frees the port. */
  close(): Promise<void>
}

/**
 * Starts a Bedrock runtime endpoint that real AWS SDK clients talk to, over HTTP/2 and HTTP/1.1 on one port.
 *
 * @throws TypeError for options that cannot be used
 * @example
 * ```ts
 * import { BedrockRuntimeClient, ConverseCommand } from '@aws-sdk/client-bedrock-runtime'
 * import { startBedrock } from 'sluice/local'
 *
 * const bedrock = await startBedrock({ latency: 'none', faults: [{ fault: 'throttle', first: 1 }] })
 * const client = new BedrockRuntimeClient({
 *   endpoint: bedrock.url,
 *   region: 'eu-central-1',
 *   credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
 * })
 * const messages = [{ role: 'user' as const, content: [{ text: 'Where is my card?' }] }]
 * await client.send(new ConverseCommand({ modelId: 'amazon.nova-lite-v1:0', messages }))
 * console.log(bedrock.counters().outcomes) // { throttled: 1, ok: 1 }
 * client.destroy()
 * await bedrock.close()
 * ```
 */
export async function startBedrock({
  port = 0,
  host = '127.0.0.1',
  upstream,
  latency = upstream ? 'none' : {},
  faults = [],
  quotas = [],
  models = {},
  guardrails = {},
  model = upstream ? upstreamModel(typeof upstream === 'string' ? { url: upstream } : upstream) : extractive,
  seed = 1,
  keepRequests = 10_000,
  clock = systemClock,
}: BedrockOptions = {}): Promise<LocalBedrock> {
  const random = seededRandom(seed)
  const account = openAccount({ keep: keepRequests })
  const service: Service = {
    account,
    clock,
    faults: faultRules(faults, random),
    guardrails,
    model,
    models,
    pace: paceOf(latency, clock, random),
    promptCache: promptCache(() => clock.now()),
    quotas: quotaRules(quotas, () => clock.now()),
  }
  const local: Omit<LocalBedrock, 'url' | 'port' | 'close'> = {
    counters: account.counters,
    requests: account.requests,
    idle: account.idle,
    until: account.until,
    setFaults: service.faults.set,
    reset() {
      account.reset()
      service.faults.reset()
      service.quotas.reset()
      service.promptCache.clear()
    },
  }
  const listener = await listen(host, port, {
    connection: account.connection,
    exchange(exchange) {
      void (exchange.path.startsWith('/_sluice/') ? control(local, exchange) : serve(service, exchange))
    },
  })
  return { url: `http://${host}:${listener.port}`, port: listener.port, close: listener.close, ...local }
}
