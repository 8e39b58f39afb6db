import type { Invocation } from './invocation.ts'
import type { Sandbox } from './sandbox.ts'

/** The sandboxes of a function, and the invocations that wait for one. */
export interface SandboxPool {
  /** Gives it to a warm sandbox, else starts one, else lets it wait. */
  submit(invocation: Invocation): void
  /** Takes it back if it still waits. */
  withdraw(invocation: Invocation): void
  sandboxes(): readonly Sandbox[]
  /** Kills all; what waits is left to the caller to end. */
  close(): Promise<readonly Invocation[]>
}

export interface SandboxPoolOptions {
  /** Sandboxes at most. */
  readonly concurrency: number
  readonly start: (callbacks: { onVacancy: () => void; onExit: () => void }) => Sandbox
}

export function createSandboxPool({ concurrency, start }: SandboxPoolOptions): SandboxPool {
  const sandboxes = new Set<Sandbox>()
  const waiting: Invocation[] = []
  let closed = false

  function dispatch(): void {
    while (waiting.length > 0) {
      const sandbox = vacant() ?? startAnother()
      if (!sandbox) return
      sandbox.take(waiting.shift()!)
    }
  }

  function vacant(): Sandbox | undefined {
    for (const sandbox of sandboxes) if (sandbox.vacancies > 0) return sandbox
    return undefined
  }

  function startAnother(): Sandbox | undefined {
    if (closed || sandboxes.size >= concurrency) return undefined
    const sandbox: Sandbox = start({
      onVacancy: dispatch,
      onExit() {
        sandboxes.delete(sandbox)
        dispatch()
      },
    })
    sandboxes.add(sandbox)
    return sandbox
  }

  return {
    submit(invocation) {
      waiting.push(invocation)
      dispatch()
    },
    withdraw(invocation) {
      const index = waiting.indexOf(invocation)
      if (index >= 0) waiting.splice(index, 1)
    },
    sandboxes: () => [...sandboxes],
    async close() {
      closed = true
      const left = waiting.splice(0)
      const running = [...sandboxes]
      for (const sandbox of running) sandbox.kill()
      await Promise.all(running.map((sandbox) => sandbox.exited))
      return left
    },
  }
}
