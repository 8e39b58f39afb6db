// Preloaded into every sandbox with `node --import`. AWS's runtime interface client keeps its loader, its
// context, its streams and its error format; only its one native file, a small HTTP client that would have to
// be compiled on every machine, is answered from here. Plain JavaScript because Node must be able to run it
// from inside node_modules, where it strips no types.
import { Agent, request } from 'node:http'
import Module from 'node:module'

const base = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation`
const multiConcurrent = process.env.AWS_LAMBDA_MAX_CONCURRENCY !== undefined
// Not limited to one socket: with several invocations at once an answer must overtake the long poll.
const agent = new Agent({ keepAlive: true })

function call(method, url, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const content =
      body === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const outgoing = request(url, { method, agent, headers: { ...content, ...headers } }, (response) => {
      let bodyJson = ''
      response.setEncoding('utf8')
      response.on('data', (chunk) => {
        bodyJson += chunk
      })
      response.on('end', () => resolve({ headers: response.headers, bodyJson }))
      response.on('error', reject)
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

// The native file posts an answer synchronously. Here the next poll waits for it instead, so the order on the
// wire is the same; with several invocations at once there is no such order.
let posted = Promise.resolve()

function post(url, body, headers) {
  posted = call('POST', url, body, headers)
  // Reported by the next poll; without this Node would end the process before that.
  posted.catch(() => {})
}

const client = {
  async next() {
    if (!multiConcurrent) await posted
    return call('GET', `${base}/next`)
  },
  done(id, body) {
    post(`${base}/${id}/response`, body)
  },
  error(id, body, xrayCause) {
    post(
      `${base}/${id}/error`,
      body,
      xrayCause ? { 'lambda-runtime-function-xray-error-cause': xrayCause } : {},
    )
  },
}

const load = Module._load
Module._load = function loadOrStandIn(name, ...rest) {
  return name === './rapid-client.node' ? client : load.call(this, name, ...rest)
}
