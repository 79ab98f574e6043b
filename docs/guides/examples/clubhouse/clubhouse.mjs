// A program in its own right: it opens for whoever knows the secret of its club. It knows nothing of Holdfast.
import { createHash, timingSafeEqual } from 'node:crypto'
import { appendFileSync, readFileSync } from 'node:fs'
import { createServer } from 'node:https'

const config = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const secret = readFileSync(config.secret, 'utf8').trim()
const [address, port] = config.listen.split(':')
let seq = 0

const server = createServer({ cert: readFileSync(config.cert), key: readFileSync(config.key) })
server.on('request', (request, response) => {
  if (request.url === '/healthz') return response.end('ok')
  const began = performance.now()
  const reason = refusalOf(request.headers.authorization)
  const error = reason === 'secret_wrong' ? 'invalid_token' : null
  // The decision is on disk before the caller has its answer.
  record(request, { reason, error }, began)
  if (reason === null) return response.end(JSON.stringify({ open: true }))
  const challenge = error === null ? 'Bearer realm="club"' : `Bearer realm="club", error="${error}"`
  response.writeHead(401, { 'Content-Type': 'application/json', 'WWW-Authenticate': challenge })
  response.end(JSON.stringify({ error: error ?? 'unauthorized' }))
})
server.listen(Number(port), address)
process.once('SIGTERM', () => server.close(() => process.exit(0)).closeAllConnections())

// #region guard
function refusalOf(authorization = '') {
  const [, presented = ''] = /^Bearer +(\S+)$/i.exec(authorization) ?? []
  if (presented === '') return 'secret_missing'
  return isSame(presented, secret) ? null : 'secret_wrong'
}

/** Digests have one length, and are compared in one time, whatever was presented. */
function isSame(presented, own) {
  const digest = (text) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(presented), digest(own))
}

/** What it names of a secret: enough to tell it from another one. */
function ref(text) {
  return createHash('sha256').update(`holdfast-ref:${text}`).digest('hex').slice(0, 8)
}
// #endregion

function record({ socket, headers }, { reason, error }, began) {
  const isOpen = reason === null
  const line = {
    ts: new Date().toISOString(),
    seq: ++seq,
    node: config.node,
    unit: 'clubhouse',
    conn: `${socket.remoteAddress}:${socket.remotePort}`,
    listener: 'door',
    requestId: headers['x-request-id'] ?? String(seq),
    action: 'clubhouse:enter',
    verdict: isOpen ? 'accepted' : 'refused',
    layer: 'http',
    status: isOpen ? 200 : 401,
    error,
    guard: isOpen ? null : 'clubhouse.secret',
    reason,
    target: '/',
    principal: isOpen ? { tokenRef: ref(secret) } : {},
    ms: performance.now() - began,
  }
  appendFileSync(config.decisionLog, `${JSON.stringify(line)}\n`, { mode: 0o600 })
}
