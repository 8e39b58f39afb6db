import {
  SendTaskFailureCommand,
  SendTaskHeartbeatCommand,
  SendTaskSuccessCommand,
  SFNClient,
} from '@aws-sdk/client-sfn'
import { expect, onTestFinished, test } from 'vitest'
import { manualClock } from '../bedrock/testing.ts'
import { type StepFunctionsOptions, startStepFunctions } from './endpoint.ts'

async function start(options: StepFunctionsOptions = {}) {
  const local = await startStepFunctions(options)
  const client = new SFNClient({
    endpoint: local.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    maxAttempts: 1,
  })
  onTestFinished(async () => {
    client.destroy()
    await local.close()
  })
  return { local, client }
}

test('a task ends with what its worker sends', async () => {
  const { local, client } = await start()
  const [done, broken] = [local.task(), local.task()]
  expect(done.token).not.toBe(broken.token)
  await client.send(new SendTaskSuccessCommand({ taskToken: done.token, output: '{"label":"a"}' }))
  await client.send(new SendTaskFailureCommand({ taskToken: broken.token, error: 'ModelError', cause: 'x' }))
  expect(await done.result).toEqual({ status: 'succeeded', output: { label: 'a' } })
  expect(await broken.result).toEqual({ status: 'failed', error: 'ModelError', cause: 'x' })
  expect(local.counters().operations).toEqual({ SendTaskSuccess: 1, SendTaskFailure: 1 })
})

test('what cannot be taken is refused in the words of the service', async () => {
  const { local, client } = await start()
  const { token } = local.task()
  const success = (taskToken: string, output: string) =>
    client.send(new SendTaskSuccessCommand({ taskToken, output }))
  await expect(success(token, 'no JSON')).rejects.toMatchObject({ name: 'InvalidOutput' })
  await expect(success(token, JSON.stringify('x'.repeat(262_144)))).rejects.toMatchObject({
    name: 'InvalidOutput',
  })
  await expect(success('x', '1')).rejects.toMatchObject({ name: 'InvalidToken' })
  await expect(success('A'.repeat(128), '1')).rejects.toMatchObject({ name: 'TaskDoesNotExist' })
  await success(token, '1')
  await expect(success(token, '1')).rejects.toMatchObject({ name: 'TaskTimedOut' })
})

test('a task lives as long as its heart beats, and not longer than its time-out', async () => {
  const clock = manualClock()
  const { local, client } = await start({ clock })
  const beating = local.task({ heartbeatMs: 1_000, timeoutMs: 2_500 })
  const silent = local.task({ heartbeatMs: 1_000 })
  clock.advance(900)
  await client.send(new SendTaskHeartbeatCommand({ taskToken: beating.token }))
  clock.advance(900)
  expect(await silent.result).toEqual({ status: 'failed', error: 'States.HeartbeatTimeout', cause: '' })
  await client.send(new SendTaskHeartbeatCommand({ taskToken: beating.token }))
  expect(beating.heartbeats).toBe(2)
  clock.advance(900)
  expect(await beating.result).toEqual({ status: 'failed', error: 'States.Timeout', cause: '' })
  const late = client.send(new SendTaskHeartbeatCommand({ taskToken: beating.token }))
  await expect(late).rejects.toMatchObject({ name: 'TaskTimedOut' })
})

test('faults strike by operation', async () => {
  const { local, client } = await start({
    faults: [{ fault: 'throttle', operation: 'SendTaskHeartbeat', first: 1 }],
  })
  const { token } = local.task()
  const beat = () => client.send(new SendTaskHeartbeatCommand({ taskToken: token }))
  await expect(beat()).rejects.toMatchObject({ name: 'ThrottlingException' })
  await beat()
  local.setFaults([{ fault: 'cut' }])
  await expect(beat()).rejects.toMatchObject({ code: 'ECONNRESET' })
})
