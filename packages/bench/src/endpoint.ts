/**
 * The local Bedrock endpoint behind TLS, in a process of its own: `node endpoint.ts '{"options","key","cert"}'` prints
 * where it is and ends when its standard input does. Without a key there is no TLS.
 */

import { type AddressInfo, connect } from 'node:net'
import { pipeline } from 'node:stream'
import { createServer } from 'node:tls'
import { type BedrockOptions, startBedrock } from 'sluice/local'

const { options, key, cert } = JSON.parse(process.argv[2] as string) as {
  options: BedrockOptions
  key?: string
  cert?: string
}
const bedrock = await startBedrock(options)
let url = bedrock.url
if (key && cert) {
  const front = createServer({ key, cert, ALPNProtocols: ['h2', 'http/1.1'], noDelay: true }, (outside) => {
    const inside = connect({ port: bedrock.port, host: '127.0.0.1', noDelay: true })
    pipeline(outside, inside, outside, () => {})
  })
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve))
  url = `https://127.0.0.1:${(front.address() as AddressInfo).port}`
}
console.log(JSON.stringify({ url, control: bedrock.url }))
process.stdin.on('end', () => process.exit()).resume()
