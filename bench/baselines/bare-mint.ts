import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:https'
import type { TLSSocket } from 'node:tls'
import { Provider } from 'oidc-provider'
import { serve } from './serve.ts'

const host = 'auth-a.somebiz.local.io'
const resource = 'https://node-a.somebiz.local.io'

// oidc-provider as it comes, with its in-memory adapter: the same TLS, grant, client authentication and algorithm.
serve(async ({ cert, key, ca }) => {
  const signing = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })
  const provider = new Provider(`https://${host}`, {
    jwks: { keys: [{ ...signing, alg: 'ES256', use: 'sig' }] },
    clients: [
      {
        client_id: 'node-a',
        redirect_uris: [],
        response_types: [],
        grant_types: ['client_credentials'],
        id_token_signed_response_alg: 'ES256',
        token_endpoint_auth_method: 'tls_client_auth',
        tls_client_auth_san_dns: 'node-a.somebiz.local.io',
        tls_client_certificate_bound_access_tokens: true,
      },
    ],
    clientAuthMethods: ['tls_client_auth'],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        tlsClientAuth: true,
        getCertificate: (ctx: { socket: unknown }) => (ctx.socket as TLSSocket).getPeerX509Certificate(),
        certificateAuthorized: (ctx: { socket: unknown }) => (ctx.socket as TLSSocket).authorized,
        certificateSubjectMatches: (ctx: { socket: unknown }, property: string, expected: string) =>
          property === 'tls_client_auth_san_dns' &&
          ((ctx.socket as TLSSocket).getPeerX509Certificate()?.subjectAltName?.split(', ') ?? []).includes(
            `DNS:${expected}`,
          ),
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => resource,
        getResourceServerInfo: () => ({
          scope: 'node:read node:routes',
          audience: resource,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 3600,
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
    scopes: ['node:read', 'node:routes'],
  })
  return createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: false }, provider.callback())
})
