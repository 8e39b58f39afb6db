import type { S3Event } from 'aws-lambda'
import { localAccountId, localCredentials } from './lambda/environment.ts'
import type { ObjectCreated } from './storage-server.ts'

export interface WrittenObject extends ObjectCreated {
  readonly sizeBytes: number
  readonly eTag: string
}

/** The event that S3 sends for one object. */
export function s3Event({ bucketName, key, eventName, requestId, sizeBytes, eTag }: WrittenObject): S3Event {
  const now = new Date()
  return {
    Records: [
      {
        eventVersion: '2.1',
        eventSource: 'aws:s3',
        awsRegion: localCredentials.AWS_REGION,
        eventTime: now.toISOString(),
        eventName,
        userIdentity: { principalId: `AWS:${localAccountId}` },
        requestParameters: { sourceIPAddress: '127.0.0.1' },
        responseElements: { 'x-amz-request-id': requestId, 'x-amz-id-2': 'local' },
        s3: {
          s3SchemaVersion: '1.0',
          configurationId: 'local',
          bucket: {
            name: bucketName,
            ownerIdentity: { principalId: localAccountId },
            arn: `arn:aws:s3:::${bucketName}`,
          },
          object: {
            // As in a form, not as in a URL: the slashes stay, a space is a plus.
            key: encodeURIComponent(key).replaceAll('%2F', '/').replaceAll('%20', '+'),
            size: sizeBytes,
            eTag: eTag.replaceAll('"', ''),
            sequencer: now.getTime().toString(16).toUpperCase().padStart(18, '0'),
          },
        },
      },
    ],
  }
}
