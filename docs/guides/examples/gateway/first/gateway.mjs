import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import express from 'express'
import { createRemoteJWKSet, jwtVerify } from 'jose'

const { HOLDFAST_CERT, HOLDFAST_KEY, HOLDFAST_CA, HOLDFAST_ADDRESS, HOLDFAST_PORT } = process.env
const { HOLDFAST_ISSUER: issuer, HOLDFAST_AUDIENCE: audience } = process.env
const keys = createRemoteJWKSet(new URL(`${issuer}/jwks`), { cooldownDuration: 1000 })
const claims = { issuer, audience, typ: 'at+jwt', algorithms: ['ES256'], requiredClaims: ['exp'] }

const app = express()
// RFC 9112 section 3.2: Node takes the first of two, and says nothing.
app.use(({ headersDistinct: { host } }, response, next) => (host?.length === 1 ? next() : response.sendStatus(400)))
app.use(async (request, response, next) => {
  const refuse = (status, error, reason) => {
    console.log(`${request.socket.remotePort} refused: ${reason}`)
    response.set('WWW-Authenticate', `Bearer realm="orders"${error ? `, error="${error}"` : ''}`).sendStatus(status)
  }
  const [, token] = /^Bearer ([\w.~+/-]+=*)$/i.exec(request.get('Authorization') ?? '') ?? []
  if (token === undefined) return refuse(401, undefined, 'no token')
  try {
    const { payload } = await jwtVerify(token, keys, claims)
    if (!payload.scope?.split(' ').includes('orders:read')) return refuse(403, 'insufficient_scope', 'scope')
    next()
  } catch (failure) {
    refuse(401, 'invalid_token', failure.code)
  }
})
app.get('/orders', (_, response) => response.json({ orders: [] }))

const tls = {
  cert: readFileSync(HOLDFAST_CERT),
  key: readFileSync(HOLDFAST_KEY),
  ca: readFileSync(HOLDFAST_CA),
  requestCert: true,
}
createServer(tls, app).listen(Number(HOLDFAST_PORT), HOLDFAST_ADDRESS)
