/** The demo from the first message to the last line. */
import { awsTarget, confirm, plan } from './aws.ts'
import { burst } from './burst.ts'
import { realMessages } from './messages.ts'
import type { Options } from './options.ts'
import { patterns } from './patterns.ts'
import { progressView } from './progress.ts'
import { plural, reportOf, verdict } from './report.ts'
import { type Answer, type PatternResult, runPattern } from './run-pattern.ts'
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
  const halfway = Math.floor(options.messages / 2)
  const strikes = Math.max(1, Math.round(options.messages / 10))
  const progress = progressView()
  progress.say(`${plural(options.messages, 'message')} ${messages.source}, through ${chosen.length} patterns`)

  const results: PatternResult[] = []
  for (const pattern of chosen) {
    let stop = () => {}
    try {
      const result = await runPattern(pattern, {
        messages,
        faults: burst(pattern.faults, halfway, strikes),
        maxReceiveCount: target ? 1 : 3,
        environment: target?.environment ?? modelFromShell(),
        signal,
        onStart(seen) {
          stop = progress.follow(pattern, options.messages, target ? undefined : halfway, seen)
        },
      })
      results.push(result)
      stop()
      progress.say(`${pattern.name}: done, ${plural(result.failed, 'message')} without an answer`)
    } finally {
      stop()
    }
  }

  const report = reportOf(target ? 'aws' : 'local', messages, results, performance.now() - startedAt)
  print(
    `\n${table(report)}\n${target ? '' : footnote}${failures(results)}\n${verdict(report)}\n${samples(results)}\n${next(options)}`,
  )
  if (options.json) print(JSON.stringify(report))
  const nothingWorked = report.patterns.some(({ failed }) => failed === options.messages)
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
    Object.entries(reasons).map(
      ([reason, count]) => `Errors in ${pattern}: ${count} x ${firstLine(reason)}\n`,
    ),
  )
  return lines.length > 0 ? `\n${lines.join('')}` : ''
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]!.slice(0, 160)
}

function samples(results: readonly PatternResult[]): string {
  const answers = results.at(-1)?.answers ?? []
  const seen = new Map<string, Answer>()
  for (const answer of answers) if (answer.text.length < 80) seen.set(answer.intent, answer)
  const lines = [...seen.values()].slice(0, 5).map(({ text, intent }) => `  ${intent.padEnd(14)} ${text}`)
  return lines.length > 0 ? `\nSome answers:\n${lines.join('\n')}\n` : ''
}

function next({ aws }: Options): string {
  return `What next:
  docs/       how a call flows, and what each part does
  examples/   the handlers that just ran; pnpm --filter @sluice/example-sqs-batch start runs one alone
  ${aws ? 'pnpm demo   the same with faults and a second account, on this machine' : 'pnpm demo --aws   the same on the real Amazon Bedrock'}`
}
