/** The demo from the first message to the last line. */
import { awsTarget, confirm, plan } from './aws.ts'
import { burst } from './burst.ts'
import { costsIn } from './costs.ts'
import { type JobResult, jobsTable, runJobs } from './jobs.ts'
import { realMessages } from './messages.ts'
import type { Options } from './options.ts'
import { exampleOf, type Pattern, patterns, shareOf } from './patterns.ts'
import { progressView } from './progress.ts'
import { counted, plural, type Report, reportOf, verdict } from './report.ts'
import { type PatternResult, runPattern } from './run-pattern.ts'
import { rushTable } from './rush-table.ts'
import type { Answer } from './send/sender.ts'
import { table } from './table.ts'

/** Returns the exit code. */
export async function demo(options: Options, signal: AbortSignal): Promise<number> {
  const startedAt = performance.now()
  const print = (text: string) => process.stdout.write(`${text}\n`)
  const messages = realMessages(options.messages)
  const target = options.aws ? await awsTarget() : undefined
  const { only } = options
  // On a real bill the bare SDK is no more than the same calls again, without an account to show.
  const chosen = patterns.filter(
    (pattern) =>
      (only === undefined || exampleOf(pattern) === only) && (!target || (pattern.guarded && !pattern.quota)),
  )
  const withJobs = !target && (only === undefined || only === 'batch-classify')
  if (target) {
    print(plan(target, chosen, messages))
    if (!options.yes && !(await confirm(signal))) return 0
  }
  const environment = { INTENTS: messages.intents, ...(target?.environment ?? { MODEL_ID: localModel() }) }
  const progress = progressView()
  const shown = new Set([...chosen.map(exampleOf), ...(withJobs ? ['batch-classify'] : [])]).size
  progress.say(
    `${plural(options.messages, 'message')} ${messages.source}, through ${plural(shown, 'pattern')}`,
  )

  async function follow(pattern: Pattern): Promise<PatternResult> {
    const texts = shareOf(pattern, messages.texts)
    const requests = texts.length * pattern.calls
    const halfway = Math.floor(requests / 2)
    const strikes = pattern.faults.length === 0 ? 0 : Math.max(1, Math.round(requests / 10))
    let stop = () => {}
    try {
      const result = await runPattern(pattern, {
        texts,
        environment,
        faults: burst(pattern.faults, halfway, strikes),
        once: target !== undefined,
        signal,
        onStart(seen) {
          stop = progress.follow(pattern, texts.length, target || strikes === 0 ? undefined : halfway, seen)
        },
      })
      progress.say(`${pattern.name}: done, ${plural(result.failed, 'message')} without an answer`)
      return result
    } finally {
      stop()
    }
  }

  const results: PatternResult[] = []
  let jobs: JobResult[] = []
  for (const round of [1, 2, 3]) {
    const running = chosen.filter((pattern) => pattern.round === round).map(follow)
    const jobsRunning =
      withJobs && round === 3 ? runJobs(messages.texts, environment, signal) : Promise.resolve([])
    // Before the first failure is told, everything that runs must have been put away.
    await Promise.allSettled([...running, jobsRunning])
    results.push(...(await Promise.all(running)))
    jobs = await jobsRunning
  }

  const report = reportOf(target ? 'aws' : 'local', messages, results, jobs, performance.now() - startedAt)
  const costs = await costsIn(
    results.flatMap(({ lines }) => lines),
    signal,
  )
  print(`\n${tables(report)}${failures(results)}\n${verdict(report)}\n`)
  if (costs)
    print(`What it cost, as \`sluice cost\` finds it in the logs of the functions:\n\n${indented(costs)}`)
  print(`${samples(results)}\n${next(options)}`)
  if (options.json) print(JSON.stringify(report))
  const nothingWorked = report.patterns.some(({ failed, messages }) => failed === messages)
  return report.agree === false || nothingWorked ? 1 : 0
}

/** Faults, a quota that is short, and jobs: each has figures of its own. */
function tables({ mode, patterns, jobs }: Report): string {
  const struck = patterns.filter(({ rush }) => !rush)
  const rushed = patterns.filter(({ rush }) => rush)
  const parts = [
    struck.length > 0 && `${table(struck)}\n${mode === 'aws' ? '' : footnote}`,
    rushed.length > 0 && `More work than the quota carries:\n\n${rushTable(rushed)}\n${rushFootnote}`,
    jobs.length > 0 && `The same as jobs over a bucket:\n\n${jobsTable(jobs)}\n`,
  ]
  return parts.filter((part) => part !== false).join('\n')
}

function indented(text: string): string {
  return text.replace(/^(?=.)/gm, '  ')
}

const footnote =
  'Times: a request at the endpoint; a call with its retries in the handler; with the bare SDK an event of one call.\n' +
  'Survived: injected faults that did not fail the call that met them. Failed: messages without an answer.\n'

const rushFootnote =
  '429s: requests that the endpoint refused. Times: a call with its waits and retries. Tokens/s: of answers.\n'

/** By default one whose price is public, in the Region of the local cloud. */
function localModel(): string {
  return process.env.MODEL_ID ?? 'us.amazon.nova-lite-v1:0'
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
      for (const answer of answers)
        if (answer.text !== '' && answer.text.length < 80 && answer.answer.length < 16)
          seen.set(answer.answer, answer)
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
