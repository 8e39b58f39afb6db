/** Tasks that wait for their token, as `.waitForTaskToken` makes a state wait. */
import { randomBytes } from 'node:crypto'
import type { Clock } from '../bedrock/clock.ts'
import { ServiceError } from '../bedrock/service-error.ts'

/** How long a task waits. */
export interface TaskOptions {
  /** Without a heartbeat for so long, it fails with `States.HeartbeatTimeout`. @default never */
  readonly heartbeatMs?: number
  /** In all; then it fails with `States.Timeout`. @default never */
  readonly timeoutMs?: number
}

/** What became of a task. */
export type TaskResult =
  | { readonly status: 'succeeded'; readonly output: unknown }
  | { readonly status: 'failed'; readonly error: string; readonly cause: string }

/** A task that waits. */
export interface WaitingTask {
  /** What its worker answers with; on AWS it is `$$.Task.Token`. */
  readonly token: string
  /** Heartbeats received. */
  readonly heartbeats: number
  readonly result: Promise<TaskResult>
}

/** @internal All tasks, by token. */
export interface Tasks {
  open(options?: TaskOptions): WaitingTask
  /** @throws ServiceError when nobody waits for this token */
  finish(token: unknown, result: TaskResult): void
  /** @throws ServiceError as `finish` */
  beat(token: unknown): void
  close(): void
}

export function openTasks(clock: Clock): Tasks {
  const tasks = new Map<string, { finish(result: TaskResult): void; beat(): void } | 'done'>()
  const closed = new AbortController()

  function waiting(token: unknown) {
    if (typeof token !== 'string' || !tokenShape.test(token)) {
      throw new ServiceError('InvalidToken', 400, "Invalid Token: 'Invalid token'")
    }
    const task = tasks.get(token)
    if (!task) throw new ServiceError('TaskDoesNotExist', 400, "Task does not exist: 'The task is unknown'")
    if (task === 'done') {
      throw new ServiceError('TaskTimedOut', 400, "Task Timed Out: 'Provided task does not exist anymore'")
    }
    return task
  }

  return {
    open({ heartbeatMs, timeoutMs } = {}) {
      const token = randomBytes(96).toString('base64')
      const { promise, resolve } = Promise.withResolvers<TaskResult>()
      let heartbeats = 0
      let nextBeat: AbortController | undefined
      const over = new AbortController()
      const anyEnd = AbortSignal.any([over.signal, closed.signal])

      function finish(result: TaskResult): void {
        tasks.set(token, 'done')
        over.abort()
        resolve(result)
      }
      function failAfter(ms: number, error: string, signal: AbortSignal): void {
        clock.sleep(ms, signal).then(
          () => finish({ status: 'failed', error, cause: '' }),
          () => {},
        )
      }
      function expectBeat(): void {
        if (heartbeatMs === undefined) return
        nextBeat?.abort()
        nextBeat = new AbortController()
        failAfter(heartbeatMs, 'States.HeartbeatTimeout', AbortSignal.any([anyEnd, nextBeat.signal]))
      }

      tasks.set(token, {
        finish,
        beat() {
          heartbeats++
          expectBeat()
        },
      })
      expectBeat()
      if (timeoutMs !== undefined) failAfter(timeoutMs, 'States.Timeout', anyEnd)
      return {
        token,
        get heartbeats() {
          return heartbeats
        },
        result: promise,
      }
    },
    finish: (token, result) => waiting(token).finish(result),
    beat: (token) => waiting(token).beat(),
    close: () => closed.abort(),
  }
}

const tokenShape = /^[A-Za-z0-9+/]{128}$/
