/** A queue that brings ten times what the quota carries, on this machine. */
import { startLocal } from 'sluice/local'

/** Ten requests at once, and ten more in each second. */
const perMinute = 600
const burst = 10

export function startCloud(onLog: (line: string) => void = () => {}) {
  return startLocal({
    bedrock: { latency: 'none', quotas: [{ requestsPerMinute: perMinute, burstRequests: burst }] },
    functions: {
      summarise: {
        handler: new URL('./handler.ts', import.meta.url),
        timeoutMs: 15_000,
        concurrency: 2,
        environment: { REQUESTS_PER_MINUTE: String(perMinute), BURST: String(burst), SANDBOXES: '2' },
      },
    },
    queues: {
      letters: {
        function: 'summarise',
        reportBatchItemFailures: true,
        maximumConcurrency: 2,
        visibilityTimeoutSeconds: 90,
        maxReceiveCount: 5,
      },
    },
    onLog: ({ text }) => onLog(text),
  })
}

export const letters = Array.from(
  { length: 80 },
  (_, at) => `Dear bank, my card number ${at} never came. I have waited for two weeks. What happens now?`,
)
