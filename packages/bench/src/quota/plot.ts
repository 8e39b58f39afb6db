/** Demand, what the provider let in, and what it refused, over time: one panel for each policy, on one scale. */

import { isForeign, isRefused, type Run } from './figures.ts'

export interface Timeline {
  readonly stepMs: number
  /** Calls, or attempts, per second, by step. */
  readonly demand: readonly number[]
  readonly admitted: readonly number[]
  readonly refused: readonly number[]
}

export function timelineOf(
  { startMs, durationMs, calls, requests }: Pick<Run, 'startMs' | 'durationMs' | 'calls' | 'requests'>,
  stepMs = Math.max(1_000, durationMs / 80),
): Timeline {
  const ours = requests.filter((request) => !isForeign(request))
  const steps = Math.max(1, Math.floor(durationMs / stepMs))
  const perSecond = (timesMs: readonly number[]): number[] => {
    const counts = Array<number>(steps).fill(0)
    for (const ms of timesMs) {
      const step = Math.floor(ms / stepMs)
      if (step >= 0 && step < steps) counts[step]!++
    }
    return counts.map((count) => count / (stepMs / 1_000))
  }
  return {
    stepMs,
    demand: perSecond(calls.map(({ arrival }) => arrival.atMs)),
    admitted: perSecond(ours.filter((each) => !isRefused(each)).map(({ at }) => at - startMs)),
    refused: perSecond(ours.filter(isRefused).map(({ at }) => at - startMs)),
  }
}

const width = 760
const left = 56
const right = 16
const panelHeight = 150
const gap = 58

/** An image that follows the reader's light or dark. */
export function plot(timelines: Readonly<Record<string, Timeline>>, title: string): string {
  const panels = Object.entries(timelines)
  const most = Math.max(
    1,
    ...panels.flatMap(([, { demand, admitted, refused }]) => [...demand, ...admitted, ...refused]),
  )
  const top = niceAbove(most)
  const minutes = Math.max(...panels.map(([, { demand, stepMs }]) => demand.length * stepMs)) / 60_000
  const height = 62 + panels.length * (panelHeight + gap)
  const label = panels
    .map(([name, { refused }]) => `${name}: ${refused.every((rate) => rate === 0) ? 'no' : 'some'} refusals`)
    .join('; ')

  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeXml(`${title}. ${label}.`)}">
<style>
  svg { font: 13px system-ui, sans-serif; --ink: #24292f; --soft: #6e7781; --line: #d8dee4; --demand: #8c959f; --ok: #0969da; --bad: #cf222e }
  @media (prefers-color-scheme: dark) { svg { --ink: #e6edf3; --soft: #8d96a0; --line: #30363d; --demand: #8d96a0; --ok: #58a6ff; --bad: #ff7b72 } }
  text { fill: var(--soft) } .title { fill: var(--ink); font-weight: 600 } .grid { stroke: var(--line) }
  .demand, .admitted, .refused { fill: none; stroke-width: 1.8; stroke-linejoin: round }
  .demand { stroke: var(--demand); stroke-dasharray: 4 3 } .admitted { stroke: var(--ok) } .refused { stroke: var(--bad) }
</style>
<text class="title" x="${left}" y="22">${escapeXml(title)}</text>
${legend()}
${panels.map(([name, timeline], index) => panel(name, timeline, 78 + index * (panelHeight + gap), top, minutes)).join('\n')}
</svg>
`
}

function legend(): string {
  const entries = [
    ['demand', 'calls that arrive'],
    ['admitted', 'attempts that the provider lets in'],
    ['refused', 'attempts that it refuses (429)'],
  ] as const
  return entries
    .map(([name, text], index) => {
      const x = left + [0, 150, 420][index]!
      return `<path class="${name}" d="M${x} 41h22"/><text x="${x + 28}" y="45">${text}</text>`
    })
    .join('\n')
}

function panel(name: string, timeline: Timeline, y: number, top: number, minutes: number): string {
  const bottom = y + panelHeight
  const inner = width - left - right
  const yOf = (rate: number) => (bottom - (rate / top) * panelHeight).toFixed(1)
  const line = (kind: 'demand' | 'admitted' | 'refused') => {
    const points = timeline[kind].map((rate, step) => {
      const atMinutes = ((step + 0.5) * timeline.stepMs) / 60_000
      return `${(left + (atMinutes / minutes) * inner).toFixed(1)} ${yOf(rate)}`
    })
    return `<path class="${kind}" d="M${points.join('L')}"/>`
  }
  const rates = [0, top / 2, top].map(
    (rate) =>
      `<path class="grid" d="M${left} ${yOf(rate)}H${width - right}"/><text x="${left - 8}" y="${Number(yOf(rate)) + 4}" text-anchor="end">${rate}</text>`,
  )
  const ticks = Array.from({ length: 5 }, (_, index) => {
    const x = left + (index / 4) * inner
    return `<text x="${x}" y="${bottom + 18}" text-anchor="${index === 4 ? 'end' : 'middle'}">${((minutes * index) / 4).toFixed(1)} min</text>`
  })
  return [
    `<text class="title" x="${left}" y="${y - 8}">${escapeXml(name)}</text><text x="${width - right}" y="${y - 8}" text-anchor="end">a second</text>`,
    ...rates,
    ...ticks,
    line('demand'),
    line('admitted'),
    line('refused'),
  ].join('\n')
}

/** 1, 2 or 5 times a power of ten, twice: so that half of it is a plain number as well. */
function niceAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  return [1, 2, 4, 6, 8, 10].map((factor) => factor * power).find((nice) => nice >= value) ?? 10 * power
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
