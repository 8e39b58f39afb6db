/** Sends a burst to both functions and counts what the provider had to refuse: `pnpm start`. Needs Java. */
import { startCloud } from './cloud.ts'

const cloud = await startCloud()
try {
  for (const [name, lambda] of Object.entries(cloud.functions)) {
    cloud.bedrock.reset()
    const text =
      'The card was stolen on Monday. The bank blocked it on Tuesday. A new one came on Friday. '.repeat(3)
    const results = await Promise.all(Array.from({ length: 24 }, () => lambda.invoke({ text })))
    for (const { error } of results)
      if (error) console.log(error.errorType, String(error.errorMessage).slice(0, 300))
    const answered = results.filter(({ error }) => !error).length
    const { ok = 0, throttled = 0 } = cloud.bedrock.counters().outcomes
    console.log(
      `${name}: ${answered} of ${results.length} answered; the provider said yes ${ok} times, no ${throttled} times`,
    )
  }
} finally {
  await cloud.close()
}
