import { randomBytes } from 'node:crypto'

/** The credentials and the Region of the local cloud. Nothing checks them; the SDK only needs some. */
export const localCredentials = {
  AWS_REGION: 'us-east-1',
  AWS_DEFAULT_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'ASIALOCAL',
  AWS_SECRET_ACCESS_KEY: 'local',
  AWS_SESSION_TOKEN: 'local',
} as const

export const localAccountId = '000000000000'

/** The shape of a sandbox on Lambda Managed Instances. */
export interface ManagedInstances {
  /** Invocations at once in one sandbox. */
  readonly maxConcurrency: number
  /** Worker threads in one sandbox. */
  readonly workerCount: number
}

export interface SandboxEnvironmentOptions {
  readonly functionName: string
  readonly memoryMb: number
  readonly taskRoot: string
  readonly handler: string
  readonly runtimeApi: string
  /** The user's own. They may name another Region and other credentials, but not what makes it a sandbox. */
  readonly variables: Readonly<Record<string, string>>
  readonly managedInstances: ManagedInstances | undefined
}

/** The variables that Lambda sets in a Node.js sandbox and the user's; nothing of the developer's shell but `PATH`. */
export function sandboxEnvironment({
  functionName,
  memoryMb,
  taskRoot,
  handler,
  runtimeApi,
  variables,
  managedInstances,
}: SandboxEnvironmentOptions): Record<string, string> {
  const day = new Date().toISOString().slice(0, 10).replaceAll('-', '/')
  return {
    LANG: 'en_US.UTF-8',
    PATH: process.env.PATH ?? '',
    TZ: ':UTC',
    ...localCredentials,
    ...variables,
    _HANDLER: handler,
    AWS_EXECUTION_ENV: `AWS_Lambda_nodejs${process.versions.node.split('.')[0]}.x`,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(memoryMb),
    AWS_LAMBDA_FUNCTION_NAME: functionName,
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_INITIALIZATION_TYPE: managedInstances ? 'lambda-managed-instances' : 'on-demand',
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${functionName}`,
    AWS_LAMBDA_LOG_STREAM_NAME: `${day}/[$LATEST]${randomBytes(16).toString('hex')}`,
    AWS_LAMBDA_RUNTIME_API: runtimeApi,
    AWS_XRAY_CONTEXT_MISSING: 'LOG_ERROR',
    LAMBDA_TASK_ROOT: taskRoot,
    ...(managedInstances && {
      AWS_LAMBDA_MAX_CONCURRENCY: String(managedInstances.maxConcurrency),
      AWS_LAMBDA_NODEJS_WORKER_COUNT: String(managedInstances.workerCount),
    }),
  }
}
