import { lambdaPriceOf, usdText } from '@sluice/cost-meter'

const invocation = { memoryMb: 1769, region: 'us-east-1', architecture: 'arm64' } as const
const whole = lambdaPriceOf({ ...invocation, durationMs: 31_200 })
const waiting = lambdaPriceOf({ ...invocation, durationMs: 30_000, requests: 0 })

export const [wholeUsd, waitingUsd] = [whole, waiting].map((price) =>
  price.priced ? usdText(price.picoUsd) : price.reason,
)
