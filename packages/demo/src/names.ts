/** The patterns by the names of their examples, for who chooses; apart from all that is slow to load. */

/** These need a quota that is short, or jobs, and so a cloud that can be told to have them. */
export const localOnly: readonly string[] = ['sqs-deferral', 'shared-quota', 'batch-classify']

export const names: readonly string[] = [
  'sdk-handler',
  'sqs-batch',
  'api-inference',
  'step-functions',
  's3-documents',
  'chat-stream',
  ...localOnly,
]
