import {
  CreateTableCommand,
  DynamoDBClient,
  UpdateTimeToLiveCommand,
  waitUntilTableExists,
} from '@aws-sdk/client-dynamodb'
import { tableDefinition, timeToLive } from '@sluice/store/dynamodb'

const client = new DynamoDBClient({})
const TableName = 'sluice'
await client.send(new CreateTableCommand({ TableName, ...tableDefinition }))
await waitUntilTableExists({ client, maxWaitTime: 60 }, { TableName })
await client.send(new UpdateTimeToLiveCommand({ TableName, TimeToLiveSpecification: timeToLive }))
