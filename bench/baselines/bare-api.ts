import { createHash } from 'node:crypto'
import { createServer } from 'node:https'
import type { TLSSocket } from 'node:tls'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { serve } from './serve.ts'

// Verifies the signature and compares one thumbprint, as the shortest honest implementation of RFC 8705 would.
serve(async ({ cert, key, ca, jwks, body }) => {
  const keys = createLocalJWKSet(jwks as Parameters<typeof createLocalJWKSet>[0])
  return createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: true }, async (request, response) => {
    try {
      const token = request.headers.authorization?.slice('Bearer '.length) ?? ''
      const { payload } = await jwtVerify<{ cnf: { 'x5t#S256': string } }>(token, keys, { typ: 'at+jwt' })
      const leaf = (request.socket as TLSSocket).getPeerX509Certificate()!.raw
      const bound = createHash('sha256').update(leaf).digest('base64url') === payload.cnf['x5t#S256']
      response.writeHead(bound ? 200 : 401, { 'Content-Type': 'application/json' }).end(bound ? body : '')
    } catch {
      response.writeHead(401).end()
    }
  })
})
