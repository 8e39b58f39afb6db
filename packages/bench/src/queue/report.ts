import type { BenchReport } from '../bench.ts'
import { machine } from '../machine.ts'
import { table } from '../table.ts'
import type { QueueLoad } from './load.ts'
import type { ArmResult, QueueArm } from './run-arm.ts'

type Results = Readonly<Record<QueueArm, ArmResult>>

/** Calls per message, as a multiple of the floor. */
const floorTimesAtMost = 1.02

export function queueReport(results: Results, load: QueueLoad): Omit<BenchReport, 'voidReasons'> {
  return {
    text: [machine(), conditions(load), figures(results), goals(results.sluice)].join('\n\n'),
    json: { sluice: published(results.sluice), naive: published(results.naive) },
  }
}

/** What did not happen proves nothing. */
export function voidReasons(results: Results, { requestsPerSecond, ...load }: QueueLoad): string[] {
  return Object.entries(results).flatMap(([arm, { sentPerSecond, shares, timedOut, invocations }]) => {
    const reasons: string[] = []
    if (sentPerSecond < 0.9 * 2 * requestsPerSecond) {
      reasons.push(
        `${arm}: ${sentPerSecond.toFixed(0)} messages a second were sent, where ${2 * requestsPerSecond} were to be. ` +
          'The machine is too slow or too busy: give a smaller --requests-per-second.',
      )
    }
    if (timedOut > 0.02 * invocations) {
      reasons.push(
        `${arm}: ${timedOut} of ${invocations} invocations took longer than ${load.timeoutMs / 1_000} s. ` +
          'That is the machine and not the queue: give fewer --sandboxes.',
      )
    }
    const wanted = { faults: load.faultShare, kills: load.killShare, duplicates: load.duplicateShare }
    for (const what of ['faults', 'kills', 'duplicates'] as const) {
      if (shares[what] < 0.75 * wanted[what]) {
        reasons.push(
          `${arm}: ${percent(shares[what])} ${what}, where ${percent(wanted[what])} were asked for.`,
        )
      }
    }
    return reasons
  })
}

function conditions({ messages, sandboxes, ...load }: QueueLoad): string {
  return (
    `${messages} messages through ${sandboxes} sandboxes, each a process under the Lambda runtime client; ` +
    `${2 * load.requestsPerSecond} a second come, and the quota carries ${load.requestsPerSecond} ` +
    `(${load.burstSeconds} s of it at once). One message of ${load.brokenEvery} is broken. The queue gives up after ` +
    `${load.maxReceiveCount} receives.\n` +
    `Time is compressed: answers take about 0.2 s, the visibility time-out is ${load.visibilityTimeoutSeconds} s.`
  )
}

function figures(results: Results): string {
  const row = (name: string, value: (result: ArmResult) => string | number) => [
    name,
    String(value(results.sluice)),
    String(value(results.naive)),
  ]
  return table(
    ['', 'sluice', 'naive'],
    [
      row('messages', ({ messages }) => messages),
      row('with a result', (result) => result.results),
      row('dead letters without one', ({ deadLettered }) => deadLettered),
      row('dead letters for lack of quota', ({ deadLetteredForQuota }) => deadLetteredForQuota),
      row('lost', ({ lost }) => lost),
      row('with more than one result', ({ duplicated }) => duplicated),
      row('model calls per message', ({ callsPerMessage }) => callsPerMessage.toFixed(4)),
      row('  those of an oracle', ({ floor }) => floor.toFixed(4)),
      row('  times the floor', (result) => timesFloor(result).toFixed(4)),
      row('refused by the provider', ({ throttled }) => throttled),
      row('invocations', ({ invocations }) => invocations),
      row('  whose time was over', ({ timedOut }) => timedOut),
      row('deliveries per message', ({ deliveriesPerMessage }) => deliveriesPerMessage.toFixed(2)),
      row('calls that the provider failed', ({ shares }) => percent(shares.faults)),
      row('invocations that were killed', ({ shares }) => percent(shares.kills)),
      row('messages delivered twice', ({ shares }) => percent(shares.duplicates)),
      row('dead letters by reason', ({ reasons }) => reasonsIn(reasons)),
      row('dead letters whose message has a result', ({ deadAndDone }) => deadAndDone),
      row('seconds', ({ seconds }) => seconds.toFixed(0)),
    ],
  )
}

function goals(sluice: ArmResult): string {
  const { unknown = 0 } = sluice.reasons
  const met = (holds: boolean) => (holds ? 'met' : 'MISSED')
  return table(
    ['goal for sluice', ''],
    [
      ['nothing is lost', met(sluice.lost === 0)],
      ['every dead letter has its reason', met(unknown === 0)],
      ['nothing is given up for lack of quota', met(sluice.deadLetteredForQuota === 0)],
      [`calls at most ${floorTimesAtMost} times the floor`, met(timesFloor(sluice) <= floorTimesAtMost)],
    ],
  )
}

function published({
  messages,
  results,
  deadLettered,
  deadLetteredForQuota,
  lost,
  duplicated,
  callsPerMessage,
  floor,
  seconds,
}: ArmResult) {
  return {
    messages,
    results,
    deadLettered,
    deadLetteredForQuota,
    lost,
    duplicated,
    callsPerMessage: Number(callsPerMessage.toFixed(4)),
    floor: Number(floor.toFixed(4)),
    seconds: Number(seconds.toFixed(1)),
  }
}

function timesFloor({ callsPerMessage, floor }: ArmResult): number {
  return callsPerMessage / floor
}

function reasonsIn(reasons: ArmResult['reasons']): string {
  return (
    Object.entries(reasons)
      .map(([reason, count]) => `${count} ${reason}`)
      .join(', ') || 'none'
  )
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`
}
