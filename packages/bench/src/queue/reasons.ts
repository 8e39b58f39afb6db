/** Why a message was not done the last time it came: from what the sandboxes write, and from their deaths. */

export interface Reasons {
  /** A line of a sandbox. */
  read(line: string): void
  /** An invocation whose sandbox was killed, with its event. */
  killed(event: string): void
  of(messageId: string): string | undefined
}

export const sandboxKilled = 'sandbox_killed'

export function recordReasons(): Reasons {
  const reasons = new Map<string, string>()
  return {
    read(line) {
      const start = line.indexOf('{"record":')
      if (start === -1) return
      const { record, error, code } = JSON.parse(line.slice(start)) as Record<string, string | undefined>
      if (record !== undefined) reasons.set(record, code ?? error ?? 'unknown')
    },
    killed(event) {
      const { Records } = JSON.parse(event) as { readonly Records: readonly { messageId: string }[] }
      for (const { messageId } of Records) reasons.set(messageId, sandboxKilled)
    },
    of: (messageId) => reasons.get(messageId),
  }
}

/** As Sluice names it, and as the SDK does. */
export function isForQuota(reason: string | undefined): boolean {
  return reason !== undefined && ['quota_exceeded', 'throttled', 'ThrottlingException'].includes(reason)
}
