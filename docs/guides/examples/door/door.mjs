// #region program
// A program in its own right: it holds the door for whoever has a certificate of its CA, and says nothing. It knows nothing of Holdfast.
import { appendFileSync, readFileSync } from 'node:fs'
import { createServer } from 'node:tls'

const config = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const [address, port] = config.listen.split(':')
let seq = 0

const server = createServer({
  cert: readFileSync(config.cert),
  key: readFileSync(config.key),
  ca: readFileSync(config.ca),
  requestCert: true,
  // It judges by itself, after the handshake, so that each refusal has its reason on record.
  rejectUnauthorized: false,
})
server.on('secureConnection', (socket) => {
  const began = performance.now()
  socket.on('error', () => {})
  socket.resume()
  const reason = refusalOf(socket)
  record(socket, reason, began)
  if (reason !== null) socket.destroy()
})
server.listen(Number(port), address)
process.once('SIGTERM', () => process.exit(0))

function refusalOf(socket) {
  if (socket.getPeerX509Certificate() === undefined) return 'cert_missing'
  if (socket.authorized) return null
  return socket.authorizationError === 'CERT_HAS_EXPIRED' ? 'cert_expired' : 'cert_untrusted'
}
// #endregion

function record(socket, reason, began) {
  const leaf = socket.getPeerX509Certificate()
  const line = {
    ts: new Date().toISOString(),
    seq: ++seq,
    node: config.node,
    unit: 'door',
    conn: `${socket.remoteAddress}:${socket.remotePort}`,
    listener: 'door',
    requestId: String(seq),
    action: 'door:enter',
    verdict: reason === null ? 'accepted' : 'refused',
    layer: 'tls',
    status: null,
    error: null,
    guard: reason === null ? null : 'door.tls',
    reason,
    target: 'door',
    // The handshake proves that the caller holds the key, whatever else is wrong with its certificate.
    principal: leaf === undefined ? {} : { 'x5t#S256': thumbprint(leaf) },
    ms: performance.now() - began,
  }
  appendFileSync(config.decisionLog, `${JSON.stringify(line)}\n`, { mode: 0o600 })
}

function thumbprint(certificate) {
  return Buffer.from(certificate.fingerprint256.replaceAll(':', ''), 'hex').toString('base64url')
}
