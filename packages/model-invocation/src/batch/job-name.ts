/** Names by which the same work is the same job. */

import { createHash } from 'node:crypto'

/**
 * A name for a job, made of what its work is: the same parts give the same name, so that a second submission of it finds
 * the first. Valid for transform jobs and for batch jobs of Bedrock: at most 63 letters, digits and hyphens.
 *
 * @throws TypeError when `prefix` is not letters, digits and hyphens, at most 40
 *
 * @example
 * ```ts
 * import { jobName } from '@sluice/model-invocation/bedrock-batch'
 *
 * console.log(jobName('tickets', '2026-11-21', 's3://tickets/inbox/')) // tickets-1f0c5a…
 * ```
 */
export function jobName(prefix: string, ...parts: readonly string[]): string {
  if (!/^[a-zA-Z0-9](?:-*[a-zA-Z0-9])*$/.test(prefix) || prefix.length > 40) {
    throw new TypeError(
      `jobName: the prefix is ${JSON.stringify(prefix)}. Give at most 40 letters, digits and hyphens.`,
    )
  }
  // Parts that run into each other must not be the same.
  const hash = createHash('sha256').update(JSON.stringify(parts)).digest('hex')
  return `${prefix}-${hash.slice(0, 20)}`
}

/** @throws TypeError when no job can be called that */
export function checkJobName(caller: string, name: unknown): void {
  if (typeof name === 'string' && name.length <= 63 && /^[a-zA-Z0-9](?:-*[a-zA-Z0-9])*$/.test(name)) return
  throw new TypeError(
    `${caller}: jobName is ${JSON.stringify(name)}. Give at most 63 letters, digits and hyphens, such as jobName() makes.`,
  )
}

/** Tags as the services want them. */
export function tagsOf<Shape>(
  tags: Readonly<Record<string, string>>,
  shape: (key: string, value: string) => Shape,
): Shape[] {
  return Object.entries(tags).map(([key, value]) => shape(key, value))
}
