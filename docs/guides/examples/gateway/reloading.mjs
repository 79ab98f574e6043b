import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import express from 'express'
import { createLocalJWKSet, jwtVerify } from 'jose'

// It is there before any run, and stays: of each run it learns from the folder `trust`, when it is told to by SIGHUP.
const { PORT = '9443', TRUST = 'trust', PID_FILE = 'gateway.pid' } = process.env
let keys, claims

const app = express()
app.use(({ headersDistinct: { host } }, response, next) => (host?.length === 1 ? next() : response.sendStatus(400)))
app.use(async (request, response, next) => {
  const refuse = (status, error) =>
    response.set('WWW-Authenticate', `Bearer realm="orders"${error ? `, error="${error}"` : ''}`).sendStatus(status)
  const [, token] = /^Bearer ([\w.~+/-]+=*)$/i.exec(request.get('Authorization') ?? '') ?? []
  if (token === undefined) return refuse(401)
  try {
    const { payload } = await jwtVerify(token, keys, claims)
    const { raw } = request.socket.getPeerX509Certificate()
    const thumbprint = createHash('sha256').update(raw).digest('base64url')
    if (payload.cnf?.['x5t#S256'] !== thumbprint) return refuse(401, 'invalid_token')
    if (!payload.scope?.split(' ').includes('orders:read')) return refuse(403, 'insufficient_scope')
    next()
  } catch {
    refuse(401, 'invalid_token')
  }
})
app.get('/orders', (_, response) => response.json({ orders: [] }))

const server = createServer({ requestCert: true }, app)

function reload() {
  if (!existsSync(`${TRUST}/trust.json`)) return
  const read = (name) => readFileSync(`${TRUST}/${name}`, 'utf8')
  const { issuer, audience } = JSON.parse(read('trust.json'))
  keys = createLocalJWKSet(JSON.parse(read('jwks.json')))
  claims = { issuer, audience, typ: 'at+jwt', algorithms: ['ES256'], requiredClaims: ['exp'] }
  // The next connection gets them; `requestCert` stays as it is.
  server.setSecureContext({ cert: read('cert.pem'), key: read('key.pem'), ca: read('ca.pem') })
}

process.on('SIGHUP', reload)
reload()
server.listen(Number(PORT), '127.0.0.1', () => writeFileSync(PID_FILE, `${process.pid}\n`))
