/** Runs a container without anybody who waits at the other end of a connection: for asynchronous work. */
import type { Clock } from '../bedrock/clock.ts'
import { type Ending, withinLimits } from '../bedrock/generate.ts'
import type { LocalModel, Piece } from '../bedrock/request.ts'
import { type Container, type ContainerAnswer, type ContainerRequest, spellings } from './containers.ts'
import { ask, run } from './serve.ts'

/** @internal @throws ServiceError when the container fails */
export async function runWhole(
  { model, clock }: { readonly model: LocalModel; readonly clock: Clock },
  container: Container,
  request: ContainerRequest,
  signal: AbortSignal,
): Promise<Required<ContainerAnswer>> {
  if (typeof container === 'function') return run(container, request)
  const asked = ask(container, request)
  const ending: Ending = { stopReason: 'end_turn' }
  const pieces: Piece[] = []
  const startedAt = clock.now()
  for await (const batch of withinLimits(model(asked.request, signal), asked.request, ending)) {
    pieces.push(...batch)
  }
  const latencyMs = clock.now() - startedAt
  const outputTokens = pieces.filter((piece) => typeof piece === 'string').length
  const { json } = spellings[container].whole(pieces, {
    ...asked.prompt,
    ...ending,
    outputTokens,
    latencyMs,
    firstTokenMs: latencyMs,
    served: {},
  })
  return { body: json, contentType: 'application/json', status: 200 }
}
