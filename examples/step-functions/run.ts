/** Runs one execution of the state machine on this machine: `pnpm start`. */
import { startLocal } from 'sluice/local'
import event from './event.json' with { type: 'json' }
import { execute, functions } from './state-machine.ts'

const local = await startLocal({ functions })
const { output, states } = await execute(local.functions, event)
console.log(states.join(' -> '))
console.log(output)
const { requests, inputTokens, outputTokens } = local.bedrock.counters()
console.log('the endpoint counted', { requests, inputTokens, outputTokens })
await local.close()
