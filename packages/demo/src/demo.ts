/** The demo from the first message to the last line. */
import { awsTarget, confirm, plan } from './aws.ts'
import { burst } from './burst.ts'
import { realMessages } from './messages.ts'
import type { Options } from './options.ts'
import { type Pattern, patterns, shareOf } from './patterns.ts'
import { progressView } from './progress.ts'
import { counted, plural, reportOf, verdict } from './report.ts'
import { type PatternResult, runPattern } from './run-pattern.ts'
import type { Answer } from './send/sender.ts'
import { table } from './table.ts'

/** Returns the exit code. */
export async function demo(options: Options, signal: AbortSignal): Promise<number> {
  const startedAt = performance.now()
  const print = (text: string) => process.stdout.write(`${text}\n`)
  const messages = realMessages(options.messages)
  const target = options.aws ? await awsTarget() : undefined
  // On a real bill the bare SDK is no more than the same calls again, without an account to show.
  const chosen = patterns.filter(({ guarded }) => guarded || !target)
  if (target) {
    print(plan(target, chosen, messages))
    if (!options.yes && !(await confirm(signal))) return 0
  }
  const environment = { INTENTS: messages.intents, ...(target?.environment ?? modelFromShell()) }
  const progress = progressView()
  progress.say(`${plural(options.messages, 'message')} ${messages.source}, through ${chosen.length} patterns`)

  async function follow(pattern: Pattern): Promise<PatternResult> {
    const texts = shareOf(pattern, messages.texts)
    const requests = texts.length * pattern.calls
    const halfway = Math.floor(requests / 2)
    const strikes = Math.max(1, Math.round(requests / 10))
    let stop = () => {}
    try {
      const result = await runPattern(pattern, {
        texts,
        environment,
        faults: burst(pattern.faults, halfway, strikes),
        maxReceiveCount: target ? 1 : 3,
        signal,
        onStart(seen) {
          stop = progress.follow(pattern, texts.length, target ? undefined : halfway, seen)
        },
      })
      progress.say(`${pattern.name}: done, ${plural(result.failed, 'message')} without an answer`)
      return result
    } finally {
      stop()
    }
  }

  const results: PatternResult[] = []
  for (const round of [1, 2]) {
    const running = chosen.filter((pattern) => pattern.round === round).map(follow)
    // Before the first failure is told, everything that runs must have been put away.
    await Promise.allSettled(running)
    results.push(...(await Promise.all(running)))
  }

  const report = reportOf(target ? 'aws' : 'local', messages, results, performance.now() - startedAt)
  print(
    `\n${table(report)}\n${target ? '' : footnote}${failures(results)}\n${verdict(report)}\n${samples(results)}\n${next(options)}`,
  )
  if (options.json) print(JSON.stringify(report))
  const nothingWorked = report.patterns.some(({ failed, messages }) => failed === messages)
  return report.agree === false || nothingWorked ? 1 : 0
}

const footnote =
  'Times: a request at the endpoint; a call with its retries in the handler; with the bare SDK an event of one call.\n' +
  'Survived: injected faults that did not fail the call that met them. Failed: messages without an answer.\n'

function modelFromShell(): Record<string, string> {
  const { MODEL_ID } = process.env
  return MODEL_ID === undefined ? {} : { MODEL_ID }
}

function failures(results: readonly PatternResult[]): string {
  const lines = results.flatMap(({ pattern, reasons }) =>
    Object.entries(counted(reasons)).map(
      ([reason, count]) => `Errors in ${pattern}: ${count} x ${firstLine(reason)}\n`,
    ),
  )
  return lines.length > 0 ? `\n${lines.join('')}` : ''
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]!.slice(0, 160)
}

function samples(results: readonly PatternResult[]): string {
  const lines = results
    .filter(({ guarded }) => guarded)
    .flatMap(({ pattern, answers }) => {
      const seen = new Map<string, Answer>()
      for (const answer of answers) if (answer.text.length < 80) seen.set(answer.answer, answer)
      return [...seen.values()]
        .slice(0, 2)
        .map(({ text, answer }) => `  ${pattern.padEnd(20)}${answer.padEnd(16)}${text}`)
    })
  return lines.length > 0 ? `\nSome answers:\n${lines.join('\n')}\n` : ''
}

function next({ aws }: Options): string {
  return `What next:
  docs/       how a call flows, and what each part does
  examples/   the handlers that just ran; pnpm --filter @sluice/example-sqs-batch start runs one alone
  ${aws ? 'pnpm demo   the same with faults and a second account, on this machine' : 'pnpm demo --aws   the same on the real Amazon Bedrock'}`
}
