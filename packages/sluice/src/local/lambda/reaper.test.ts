import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, expect, test } from 'vitest'
import { startReaper } from './reaper.ts'

const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

function sleeper(): { child: ChildProcess; pid: number } {
  const child = spawn(process.execPath, ['--eval', 'setInterval(() => {}, 1e9)'], { stdio: 'ignore' })
  children.push(child)
  return { child, pid: child.pid ?? 0 }
}

test('what is still watched at the end is killed, even when stopped; what was forgotten is left alone', async () => {
  const reaper = startReaper()
  const [first, forgotten, stopped] = [sleeper(), sleeper(), sleeper()]
  for (const { pid } of [first, forgotten, stopped]) reaper.watch(pid)
  reaper.forget(forgotten.pid)
  stopped.child.kill('SIGSTOP')
  const killed = Promise.all([once(first.child, 'exit'), once(stopped.child, 'exit')])
  await reaper.close()
  expect(await killed).toEqual([
    [null, 'SIGKILL'],
    [null, 'SIGKILL'],
  ])
  expect(forgotten.child.exitCode ?? forgotten.child.signalCode).toBeNull()
})
