import { kinesisStream } from '@sluice/event-sources'

const readings = kinesisStream({ parse: (data) => JSON.parse(data) as { readonly sensor: string } })

export const handler = readings.handler(({ sensor }) => console.log(sensor))
