import { parseArgs } from 'node:util'
import { type Bench, UsageError } from './bench.ts'
import { coldStart } from './cold-start/cold-start.ts'
import { cost } from './cost/cost.ts'
import { overhead } from './overhead/overhead.ts'
import { queue } from './queue/queue.ts'
import { quotaHotKey } from './quota/hot-key.ts'
import { quotaLatency } from './quota/latency.ts'
import { quota } from './quota/quota.ts'
import { stream } from './stream/stream.ts'

const benches: Record<string, Bench> = {
  overhead,
  'cold-start': coldStart,
  cost,
  stream,
  quota,
  'quota-latency': quotaLatency,
  'quota-hot-key': quotaHotKey,
  queue,
}

const usage = `Usage: pnpm bench NAME [options]

${Object.entries(benches)
  .map(([name, bench]) => `  ${name.padEnd(15)}${bench.summary}`)
  .join('\n')}

Options:
  --json          the last line on stdout is one JSON object
  --quick         few, small rounds: a smoke test, not a result
  --rounds N      rounds per figure (31; fewer than 31 are not a result)
  --arms A,B      only these arms, beside the baseline
  --plain         overhead: without TLS
  --help          this text

${Object.values(benches)
  .flatMap(({ usage: own }) => own ?? [])
  .join('\n\n')}`

async function main(args: string[]): Promise<number> {
  const asked = args.find((arg) => Object.hasOwn(benches, arg))
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ...(asked === undefined ? {} : benches[asked]?.options),
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      arms: { type: 'string' },
      plain: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(usage)
    return 0
  }
  const [name, ...surplus] = positionals
  if (name === undefined) throw new UsageError('Which bench?')
  if (surplus.length > 0) throw new UsageError(`One bench at a time; left over: ${surplus.join(' ')}.`)
  const bench = Object.hasOwn(benches, name) ? benches[name] : undefined
  if (bench === undefined) throw new UsageError(`There is no bench "${name}".`)

  const rounds = readRounds(values.rounds ?? (values.quick ? '3' : '31'))
  const started = performance.now()
  const report = await bench.run({
    rounds,
    quick: values.quick,
    plain: values.plain,
    values,
    ...(values.arms === undefined ? {} : { arms: values.arms.split(',') }),
    progress: (line) =>
      console.error(`[${((performance.now() - started) / 1000).toFixed(0).padStart(3)} s] ${line}`),
  })

  console.log(report.text)
  if (values.quick || rounds < 31) {
    console.log('\nNOT A RESULT: too few rounds to mean anything.')
  } else if (report.voidReasons.length > 0) {
    // No JSON: a figure that does not count must not be picked up by a script.
    console.log(`\nVOID\n${report.voidReasons.join('\n')}`)
    return 1
  }
  if (values.json) console.log(JSON.stringify(report.json))
  return 0
}

function readRounds(text: string): number {
  const rounds = Number(text)
  if (Number.isInteger(rounds) && rounds > 0) return rounds
  throw new UsageError(`--rounds: a whole number above 0, not "${text}".`)
}

function isUsageError(error: unknown): error is Error {
  if (error instanceof UsageError) return true
  return error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  // A wrong command line is the user's to mend and needs no stack; anything else is ours.
  console.error(isUsageError(error) ? `${error.message}\n\n${usage}` : error)
  process.exitCode = 1
}
