/**
 * The endpoint as a process of its own: `node main.ts '{"latency":"none"}'`. Its first line tells the URL; it
 * ends when its standard input does, so it cannot outlive the process that started it.
 */
import { type BedrockOptions, startBedrock } from './endpoint.ts'

const options = JSON.parse(process.argv[2] ?? '{}') as BedrockOptions
const bedrock = await startBedrock(options)
process.stdin.on('end', () => void bedrock.close())
process.stdin.on('error', () => void bedrock.close())
process.stdin.resume()
console.log(JSON.stringify({ url: bedrock.url }))
