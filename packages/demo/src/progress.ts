/** Tells on stderr how far it is: one line that changes on a terminal, few lines elsewhere. */
import type { Pattern } from './patterns.ts'
import type { Progress } from './run-pattern.ts'

export interface ProgressView {
  /** Follows a pattern, beside others, until the returned function is called. */
  follow(
    pattern: Pattern,
    messages: number,
    burstAfter: number | undefined,
    progress: () => Progress,
  ): () => void
  /** A line that stays. */
  say(line: string): void
}

interface Followed {
  readonly messages: number
  look(): Progress
}

export function progressView(stream: NodeJS.WriteStream = process.stderr): ProgressView {
  const startedAt = performance.now()
  const seconds = () => `${((performance.now() - startedAt) / 1000).toFixed(1).padStart(5)} s`
  const clear = stream.isTTY ? '\r\x1b[2K' : ''
  const followed = new Set<Followed>()
  let timer: NodeJS.Timeout | undefined

  function say(line: string): void {
    stream.write(`${clear}${seconds()}  ${line}\n`)
  }

  function show(): void {
    const seen = [...followed].map(({ messages, look }) => ({ messages, ...look() }))
    if (!stream.isTTY) return
    const sum = (of: 'messages' | 'done' | 'requests') => seen.reduce((total, each) => total + each[of], 0)
    const [done, messages] = [sum('done'), sum('messages')]
    const line = `${seconds()}  ${bar(done / messages)} ${done} of ${messages} messages, ${sum('requests')} requests`
    stream.write(`${clear}${line.slice(0, stream.columns - 1)}`)
  }

  return {
    say,
    follow({ name }, messages, burstAfter, progress) {
      let broken = false
      const entry: Followed = {
        messages,
        look() {
          const now = progress()
          if (!broken && burstAfter !== undefined && now.requests > burstAfter) {
            broken = true
            say(`${name}: ${now.done} of ${messages} done, now things begin to break`)
          }
          return now
        },
      }
      followed.add(entry)
      timer ??= setInterval(show, 100)
      return () => {
        followed.delete(entry)
        if (followed.size > 0) return
        clearInterval(timer)
        timer = undefined
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
