import { afterEach, expect, test } from 'vitest'
import { createBundler } from './bundle.ts'
import { type FunctionDefinition, type LocalFunction, startFunction } from './function.ts'
import { startReaper } from './reaper.ts'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function start(fixture: string, definition: Partial<FunctionDefinition> = {}): Promise<LocalFunction> {
  const bundler = createBundler()
  const reaper = startReaper()
  closers.push(
    () => bundler.close(),
    () => reaper.close(),
  )
  const handler = new URL(`./fixtures/${fixture}`, import.meta.url)
  const started = await startFunction(
    fixture.split('.')[0] ?? '',
    { handler, ...definition },
    { bundler, reaper, environment: {} },
  )
  closers.push(() => started.close())
  return started
}

test('a TypeScript handler answers under the real runtime client', async () => {
  const echo = await start('echo.ts')
  const first = await echo.invoke({ greeting: 'grüezi' })
  console.log(first)
  const second = await echo.invoke({})
  console.log(second, echo.sandboxes())
  expect(first.error).toBeUndefined()
})
