// #region program
// A program in its own right: it greets callers whose certificate names a friend. It knows nothing of Holdfast.
import { appendFileSync, readFileSync } from 'node:fs'
import { createServer } from 'node:https'

const config = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const [address, port] = config.listen.split(':')
let seq = 0

const server = createServer({
  cert: readFileSync(config.cert),
  key: readFileSync(config.key),
  ca: readFileSync(config.ca),
  requestCert: true,
  rejectUnauthorized: false,
})
server.on('request', (request, response) => {
  if (request.url === '/healthz') return response.end('ok')
  const began = performance.now()
  const { refusal, principal } = judge(request.socket)
  // The decision is on disk before the caller has its answer.
  record(request, refusal, principal, began)
  response.writeHead(refusal ? 403 : 200, { 'Content-Type': 'application/json' })
  response.end(JSON.stringify(refusal ? { error: 'access_denied' } : { greeting: `hello ${principal.san}` }))
})
server.listen(Number(port), address)
process.once('SIGTERM', () => server.close(() => process.exit(0)).closeAllConnections())
// #endregion

// #region guard
/** One guard: who may not be greeted, and why. What it returns as principal is proven by the handshake. */
function judge(socket) {
  if (!socket.authorized) return { refusal: { guard: 'greeter.caller', reason: 'cert_untrusted' }, principal: {} }
  const leaf = socket.getPeerX509Certificate()
  const principal = { 'x5t#S256': thumbprint(leaf), san: leaf.subjectAltName.replace('DNS:', '') }
  if (config.friends.includes(principal.san)) return { principal }
  return { refusal: { guard: 'greeter.caller', reason: 'not_a_friend' }, principal }
}

function thumbprint(certificate) {
  return Buffer.from(certificate.fingerprint256.replaceAll(':', ''), 'hex').toString('base64url')
}

/** One JSON line for each accept or refusal: what makes a verdict believable. */
function record({ socket, headers }, refusal, principal, began) {
  const line = {
    ts: new Date().toISOString(),
    seq: ++seq,
    node: config.node,
    unit: 'greeter',
    conn: `${socket.remoteAddress}:${socket.remotePort}`,
    listener: 'greetings',
    requestId: headers['x-request-id'] ?? String(seq),
    action: 'greeter:greet',
    verdict: refusal ? 'refused' : 'accepted',
    layer: 'http',
    status: refusal ? 403 : 200,
    error: refusal ? 'access_denied' : null,
    guard: refusal?.guard ?? null,
    reason: refusal?.reason ?? null,
    target: '/greeting',
    principal,
    ms: performance.now() - began,
  }
  appendFileSync(config.decisionLog, `${JSON.stringify(line)}\n`, { mode: 0o600 })
}
// #endregion
