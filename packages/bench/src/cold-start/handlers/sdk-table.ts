import { DynamoDBClient, UpdateItemCommand } from '@aws-sdk/client-dynamodb'

export { handler } from './sdk.ts'

/** Who shares a quota loads a client for its table; what that costs is the SDK's. */
export const table = { client: new DynamoDBClient({}), UpdateItemCommand }
