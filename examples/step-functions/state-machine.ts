/** Runs the state machine on this machine: an interpreter of its definition, and the functions of a local Lambda. */
import { type RunOptions, StateMachine, type StateMachineDefinition } from 'aws-local-stepfunctions'
import type { FunctionDefinition, LocalFunction } from 'sluice/local'
import definition from './state-machine.asl.json' with { type: 'json' }

/** One function for each state, under the name by which the definition calls it. */
export const functions = {
  'sluice-extract': { handler: new URL('./extract.ts', import.meta.url), timeoutMs: 20_000 },
  'sluice-classify': { handler: new URL('./classify.ts', import.meta.url), timeoutMs: 20_000 },
  'sluice-generate': { handler: new URL('./generate.ts', import.meta.url), timeoutMs: 20_000 },
  'sluice-validate': { handler: new URL('./validate.ts', import.meta.url) },
} satisfies Record<string, FunctionDefinition>

type FunctionName = keyof typeof functions
type TaskHandler = NonNullable<NonNullable<RunOptions['overrides']>['taskResourceLocalHandlers']>[string]

export interface Execution {
  readonly output: unknown
  /** The states that were entered, in order; one that was tried again is there again. */
  readonly states: readonly string[]
}

/**
 * One execution.
 *
 * @throws ExecutionError when it fails
 */
export async function execute(
  functions: Readonly<Record<FunctionName, LocalFunction>>,
  input: object,
  signal?: AbortSignal,
): Promise<Execution> {
  const states: string[] = []

  /** As the service invokes a function: its answer is the `Payload`, its error has the name that the handler threw. */
  function taskOf(state: string): TaskHandler {
    return async function task(parameters) {
      states.push(state)
      const { FunctionName, Payload } = parameters as { FunctionName: FunctionName; Payload: unknown }
      const { payload, error } = await functions[FunctionName].invoke(Payload, signal && { signal })
      if (error) throw Object.assign(new Error(JSON.stringify(error)), { name: error.errorType })
      return { StatusCode: 200, ExecutedVersion: '$LATEST', Payload: payload as never }
    }
  }

  const names = Object.keys(definition.States)
  const { result } = new StateMachine(definition as StateMachineDefinition).run(input as never, {
    overrides: {
      taskResourceLocalHandlers: Object.fromEntries(names.map((name) => [name, taskOf(name)])),
      // The definition's seconds are for the quota of a minute; here nobody has to wait for one.
      waitTimeOverrides: { WaitAWhile: 10 },
      retryIntervalOverrides: Object.fromEntries(names.map((name) => [name, 10])),
    },
  })
  return { output: await result, states }
}
