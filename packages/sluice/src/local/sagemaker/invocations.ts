/** The routes of the runtime: which endpoint is meant, and whether it can answer. */
import type { RequestEntry } from '../bedrock/counters.ts'
import { openEntry } from '../bedrock/entry.ts'
import type { Exchange } from '../bedrock/exchange.ts'
import { ServiceError } from '../bedrock/service-error.ts'
import { strike } from '../bedrock/strike.ts'
import { localAccountId } from '../lambda/environment.ts'
import { type AsyncPorts, acceptAsync } from './async-inference.ts'
import type { Container } from './containers.ts'
import type { EndpointDefinition } from './endpoint.ts'
import { answer, type Runtime, refuse } from './serve.ts'

/** @internal */
export interface InvocationPorts extends AsyncPorts {
  readonly endpoints: Readonly<Record<string, EndpointDefinition>>
  /** Keeps work that goes on when its request has been answered. */
  keep(work: Promise<void>): void
}

/** @internal Answers requests. Never rejects: whatever happens becomes an answer and a record. */
export function invocations(runtime: Runtime, ports: InvocationPorts): (exchange: Exchange) => Promise<void> {
  const { endpoints } = ports

  async function serve(exchange: Exchange): Promise<void> {
    const at = runtime.clock.now()
    const [, modelId = '', asked] = /^\/endpoints\/([\w-]+)\/([\w-]+)$/.exec(exchange.path) ?? []
    const route = isRoute(asked) && exchange.method === 'POST' ? asked : undefined
    const entry = openEntry(runtime.account, exchange, { at, modelId, operation: route ?? 'unknown' })
    let outcome: string
    try {
      const body = await exchange.body(bodyLimitBytes)
      entry.received(body.length)
      if (!route) throw new ServiceError('UnknownOperationException', 404, 'There is no such operation.')
      outcome = await invoked(exchange, entry, route, String(body))
    } catch (error) {
      outcome = refuse(exchange, entry, error)
    }
    entry.record.totalMs = runtime.clock.now() - at
    entry.end(outcome)
  }

  async function invoked(
    exchange: Exchange,
    entry: RequestEntry,
    route: Route,
    body: string,
  ): Promise<string> {
    const header = (name: string) => {
      const value = exchange.headers[`x-amzn-sagemaker-${name}`]
      return value === undefined ? undefined : String(value)
    }
    const { modelId: endpointName } = entry.record
    const endpoint = Object.hasOwn(endpoints, endpointName) ? endpoints[endpointName] : undefined
    if (!endpoint) {
      throw new ServiceError(
        'ValidationError',
        400,
        `Endpoint ${endpointName} of account ${localAccountId} not found.`,
      )
    }
    const container = containerOf(endpoint, header('inference-component'), header('target-model'))
    const streaming = route === 'invocations-response-stream'
    const contentType = String(
      (route === 'async-invocations' ? header('content-type') : undefined) ??
        exchange.headers['content-type'] ??
        'application/json',
    )
    const accept = header('accept') ?? String(exchange.headers.accept ?? '')
    const { variants = ['AllTraffic'] } = endpoint
    const variant = header('target-variant') ?? variants[0] ?? ''
    if (!variants.includes(variant)) throw validation(`Variant ${variant} not found on the endpoint.`)
    const request = { body, contentType, accept }
    if (route !== 'async-invocations') {
      if (endpoint.async) throw validation('The endpoint is for asynchronous inference only.')
      const attributes = header('custom-attributes')
      return answer(runtime, {
        exchange,
        entry,
        container,
        request,
        streaming,
        chunkBytes: endpoint.chunkBytes,
        headers: {
          'x-amzn-invoked-production-variant': variant,
          ...(attributes !== undefined && { 'x-amzn-sagemaker-custom-attributes': attributes }),
        },
      })
    }
    if (!endpoint.async) throw validation('The endpoint is not for asynchronous inference.')
    const picked = runtime.faults.pick({ ...entry.record, operation: route })
    if (picked && (await strike(picked, exchange, runtime.clock)) === 'over') return picked.fault.fault
    const accepted = acceptAsync(ports, {
      ...request,
      endpointName,
      container,
      definition: endpoint.async,
      inputLocation: header('inputlocation'),
      inferenceId: header('inference-id'),
      extension: header('s3outputpathextension'),
      filename: header('filename'),
    })
    entry.record.status = 202
    const bytes = Buffer.from(JSON.stringify({ InferenceId: accepted.inferenceId }))
    exchange.head(202, {
      'content-type': 'application/json',
      'content-length': String(bytes.length),
      'x-amzn-requestid': entry.record.id,
      'x-amzn-sagemaker-outputlocation': accepted.outputLocation,
      'x-amzn-sagemaker-failurelocation': accepted.failureLocation,
    })
    exchange.end(bytes)
    ports.keep(accepted.work())
    return 'ok'
  }

  return serve
}

const bodyLimitBytes = 25_000_000

const routes = ['invocations', 'invocations-response-stream', 'async-invocations'] as const
type Route = (typeof routes)[number]

function isRoute(route: string | undefined): route is Route {
  return routes.includes(route as Route)
}

const validation = (message: string) => new ServiceError('ValidationError', 400, message)

function containerOf(
  { container = 'chat', components, targetModels }: EndpointDefinition,
  component: string | undefined,
  targetModel: string | undefined,
): Container {
  if (components || component !== undefined) return chosen('Inference component', components, component)
  if (targetModels || targetModel !== undefined) return chosen('Target model', targetModels, targetModel)
  return container
}

function chosen(
  kind: string,
  containers: Readonly<Record<string, Container>> = {},
  name: string | undefined,
): Container {
  if (name === undefined) throw validation(`${kind}: the header is required for this endpoint.`)
  const found = Object.hasOwn(containers, name) ? containers[name] : undefined
  if (!found) throw validation(`${kind} ${name} not found.`)
  return found
}
