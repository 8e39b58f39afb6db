import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach } from 'vitest'
import { createBundler } from './bundle.ts'
import { type LocalFunction, type LogLine, startFunction } from './function.ts'
import type { FunctionDefinition } from './function-definition.ts'
import { startReaper } from './reaper.ts'

/** What a test has opened is closed after it, the last first. */
export const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** Starts a function with one of the fixtures. */
export async function startFixture(
  fixture: string,
  definition: Partial<FunctionDefinition> = {},
  onLog?: (line: LogLine) => void,
): Promise<LocalFunction> {
  const bundler = createBundler()
  closers.push(() => bundler.close())
  const reaper = startReaper()
  closers.push(() => reaper.close())
  const handler = new URL(`./fixtures/${fixture}`, import.meta.url)
  const name = fixture.split('.')[0] ?? ''
  const context = { bundler, reaper, environment: {}, ...(onLog && { onLog }) }
  const started = await startFunction(name, { handler, ...definition }, context)
  closers.push(() => started.close())
  return started
}

/** A place where requests wait for each other: all are answered when so many are there. */
export interface Meeting {
  readonly url: string
  /** The most that waited at once. */
  readonly mostAtOnce: number
  /** Resolves when so many wait. */
  arrived(count: number): Promise<void>
  release(): void
}

/** `size` undefined: only `release` lets them go. */
export async function startMeeting(size?: number): Promise<Meeting> {
  const waiting: ServerResponse[] = []
  const awaited: { count: number; resolve: () => void }[] = []
  let mostAtOnce = 0
  const release = () => {
    for (const response of waiting.splice(0)) response.end()
  }
  const server = createServer((_request, response) => {
    waiting.push(response)
    mostAtOnce = Math.max(mostAtOnce, waiting.length)
    for (const { count, resolve } of awaited) if (waiting.length >= count) resolve()
    if (size !== undefined && waiting.length >= size) release()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    get mostAtOnce() {
      return mostAtOnce
    },
    arrived: (count) =>
      new Promise((resolve) => {
        if (waiting.length >= count) resolve()
        else awaited.push({ count, resolve })
      }),
    release,
  }
}
