import { type CostSink, costMeter } from '@sluice/cost-meter'

const usdByTenant = new Map<string, number>()

const perTenant: CostSink = (record) => {
  if (record.kind !== 'call') return
  const tenant = record.tenant ?? 'nobody'
  usdByTenant.set(tenant, (usdByTenant.get(tenant) ?? 0) + Number(record.cost.usd))
  if (record.cost.unpriced > 0) console.warn(`${record.callId}: costs more than is known`)
}

export const meter = costMeter({ sinks: [perTenant] })
