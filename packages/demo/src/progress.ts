/** Tells on stderr how far it is: one line that changes on a terminal, few lines elsewhere. */
import type { Pattern } from './patterns.ts'
import type { Progress } from './run-pattern.ts'

export interface ProgressView {
  /** Follows one pattern until the returned function is called. */
  follow(
    pattern: Pattern,
    messages: number,
    burstAfter: number | undefined,
    progress: () => Progress,
  ): () => void
  /** A line that stays. */
  say(line: string): void
}

export function progressView(stream: NodeJS.WriteStream = process.stderr): ProgressView {
  const startedAt = performance.now()
  const seconds = () => `${((performance.now() - startedAt) / 1000).toFixed(1).padStart(5)} s`
  const clear = stream.isTTY ? '\r\x1b[2K' : ''

  function say(line: string): void {
    stream.write(`${clear}${seconds()}  ${line}\n`)
  }

  return {
    say,
    follow(pattern, messages, burstAfter, progress) {
      let broken = false
      const look = () => {
        const { done, requests } = progress()
        if (!broken && burstAfter !== undefined && requests > burstAfter) {
          broken = true
          say(`${pattern.name}: ${done} of ${messages} done, now things begin to break`)
        }
        if (!stream.isTTY) return
        const line = `${seconds()}  ${pattern.name}  ${bar(done / messages)} ${done} of ${messages}, ${requests} requests`
        stream.write(`${clear}${line.slice(0, stream.columns - 1)}`)
      }
      const timer = setInterval(look, 100)
      return () => {
        clearInterval(timer)
        stream.write(clear)
      }
    },
  }
}

const barWidth = 24

function bar(share: number): string {
  const full = Math.round(Math.min(1, share) * barWidth)
  return '█'.repeat(full) + '░'.repeat(barWidth - full)
}
