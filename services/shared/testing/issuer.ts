import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import type { TestAuthority } from './certificates.ts'

/** A small auth server for unit tests: it signs what it is told, and says what it is told about tokens. */
export interface TestIssuer extends AsyncDisposable {
  readonly url: string
  /** A good token; `claims` and `header` change single members, `undefined` takes one away. */
  token(claims: JWTPayload, options?: { header?: Record<string, unknown>; key?: CryptoKey }): Promise<string>
  /** `jti` of tokens that are no longer active. */
  readonly revoked: Set<string>
  /** What `POST /token` gives out, by `resource`. */
  readonly grants: Map<string, (clientId: string) => Promise<string>>
  /** Paths that were asked for. */
  readonly requests: string[]
  /** Instead of the right answer, by path. */
  readonly answers: Map<string, { status: number; type?: string; body: string; headers?: Record<string, string> }>
  /** Changes the key; the one before is published no more. */
  rotate(): Promise<void>
  down(): Promise<void>
  up(): Promise<void>
}

export async function testIssuer(authority: TestAuthority, host: string): Promise<TestIssuer> {
  const identity = await authority.issue({ sans: [host] })
  const keyOf = async (kid: string) => ({ kid, ...(await generateKeyPair('ES256', { extractable: true })) })
  let made = 1
  let key = await keyOf('key-1')
  const requests: string[] = []
  const revoked = new Set<string>()
  const answers: TestIssuer['answers'] = new Map()
  const grants: TestIssuer['grants'] = new Map()
  const known = new Map<string, JWTPayload>()
  const server: Server = createServer({ cert: identity.cert, key: identity.key })
  await listen(server, 0)
  const { port } = server.address() as AddressInfo
  const url = `https://${host}:${port}`

  server.on('request', async (request, response) => {
    const path = request.url ?? ''
    requests.push(path)
    let body = ''
    for await (const chunk of request) body += String(chunk)
    const given = answers.get(path)
    if (given !== undefined) {
      response.writeHead(given.status, { 'content-type': given.type ?? 'application/json', ...given.headers })
      response.end(given.body)
      return
    }
    response.setHeader('content-type', 'application/json')
    if (path === '/jwks') {
      const jwk = await exportJWK(key.publicKey)
      response.end(JSON.stringify({ keys: [{ ...jwk, kid: key.kid, use: 'sig', alg: 'ES256' }] }))
    } else if (path === '/.well-known/oauth-authorization-server') {
      const introspection_endpoint = `${url}/token/introspection`
      const token_endpoint = `${url}/token`
      response.end(JSON.stringify({ issuer: url, mtls_endpoint_aliases: { introspection_endpoint, token_endpoint } }))
    } else if (path === '/token/introspection') {
      const claims = known.get(new URLSearchParams(body).get('token') ?? '')
      const isActive = claims !== undefined && !revoked.has(String(claims.jti))
      response.end(JSON.stringify(isActive ? { active: true, ...claims } : { active: false }))
    } else if (path === '/token') {
      const form = new URLSearchParams(body)
      const mint = grants.get(form.get('resource') ?? '')
      const isRight = form.get('grant_type') === 'client_credentials' && mint !== undefined
      if (!isRight) response.writeHead(400).end('{"error":"invalid_target"}')
      else response.end(JSON.stringify({ access_token: await mint(form.get('client_id') ?? ''), token_type: 'Bearer' }))
    } else response.writeHead(404).end('{}')
  })

  return {
    url,
    requests,
    revoked,
    grants,
    answers,
    async token(changes, options = {}) {
      const now = Math.floor(Date.now() / 1000)
      const claims = Object.fromEntries(
        Object.entries({
          iss: url,
          client_id: changes.sub,
          jti: crypto.randomUUID(),
          iat: now,
          exp: now + 300,
          token_use: 'node',
          sans: ['somebody.somebiz.local.io'],
          ...changes,
        }).filter(([, value]) => value !== undefined),
      )
      const header = { alg: 'ES256', typ: 'at+jwt', kid: key.kid, ...options.header }
      const token = await new SignJWT(claims).setProtectedHeader(header).sign(options.key ?? key.privateKey)
      known.set(token, claims)
      return token
    },
    async rotate() {
      made += 1
      key = await keyOf(`key-${made}`)
    },
    async down() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
    up: () => listen(server, port),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve())
  })
}
