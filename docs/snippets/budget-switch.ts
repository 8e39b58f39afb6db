import { subscribe } from 'node:diagnostics_channel'
import { type BudgetMode, type BudgetRecord, budget } from '@sluice/cost-meter'
import { dynamoDBBudgetStore } from '@sluice/store/dynamodb'

// The extension of AppConfig, which keeps what it has read.
const port = process.env.AWS_APPCONFIG_EXTENSION_HTTP_PORT ?? '2772'
const configuration = `http://localhost:${port}/applications/support/environments/live/configurations/budget`

export const monthly = budget({
  limits: [{ per: 'tenant', period: 'month', softUsd: 40, hardUsd: 50 }],
  store: dynamoDBBudgetStore({ tableName: 'sluice' }),
  async mode(signal) {
    const response = await fetch(configuration, { signal })
    const { mode } = (await response.json()) as { mode: BudgetMode }
    return mode
  },
})

subscribe('sluice:budget', (message) => {
  const { event, mode, budget, owner, spentUsd, limitUsd } = message as BudgetRecord
  console.warn({ event, mode, budget, owner, spentUsd, limitUsd })
})
