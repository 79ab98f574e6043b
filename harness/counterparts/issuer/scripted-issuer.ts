import type { IncomingMessage, ServerResponse } from 'node:http'
import https from 'node:https'
import type { TLSSocket } from 'node:tls'
import { calculateJwkThumbprint, type JWK } from 'jose'
import { type Identity, thumbprintS256 } from '../../pki/certificate.ts'
import type { Listening, Seat } from '../../protocols/seat.ts'
import { inspectToken } from '../../tokens/inspect.ts'
import { type IssuerAnswer, sendAnswer } from './issuer-answer.ts'

export interface ScriptedIssuerOptions {
  /** Where it listens. */
  seat: Seat
  /** The name in its URL; the certificate is for it, if it is to be believed. */
  host: string
  /** 0: any free port. */
  port?: number
  /** Port of the endpoints for client certificates (RFC 8705 section 5). Default: the same port. */
  mtlsPort?: number
  /** What it presents as server. */
  certificate: Identity
  /** Keys that it publishes the public parts of. */
  keys?: readonly JWK[]
  /** `max-age` of its key set, in s. Default 60. */
  maxAgeSeconds?: number
}

/** What an issuer is asked for; `other` is any other path. */
export type IssuerEndpoint = 'metadata' | 'keys' | 'introspection' | 'token' | 'other'

/** One request to a scripted issuer, written down when it was read whole. */
export interface IssuerRequest {
  readonly endpoint: IssuerEndpoint
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
  /** `x5t#S256` of the client certificate, if one was presented. */
  readonly presented: string | undefined
}

/** An answer, or what makes one out of a request and of that which an honest issuer would say. */
export type IssuerScript = IssuerAnswer | ((request: IssuerRequest, honest: unknown) => IssuerAnswer)

/**
 * An issuer under the scenario's control. It begins honest: its metadata name itself, its key set holds its keys, and each token
 * that it is asked about is active, with the claims that stand in it. Scripts change that, from the next request on.
 */
export interface ScriptedIssuer extends AsyncDisposable {
  /** Its `iss`: `https://HOST:PORT`. */
  readonly url: string
  readonly address: string
  readonly port: number
  readonly requests: readonly IssuerRequest[]
  /** Connections whose handshake was finished. */
  readonly connections: number
  /** Handshakes that the caller broke off, with what was seen of the reason. */
  readonly brokenOff: readonly string[]
  /** Answers so from now on; without a script, honestly again. */
  script(endpoint: IssuerEndpoint, script?: IssuerScript): void
  /** Presents another certificate from now on, on connections that begin anew. */
  present(certificate: Identity): void
  /** Honest again, with the keys and the certificate of the beginning, and nothing written down. */
  reset(): Promise<void>
  /** Publishes the public parts of other keys from now on. */
  publish(keys: readonly JWK[]): Promise<void>
}

/** Listens as an issuer that demands nothing of its callers and writes down everything. */
export async function listenAsIssuer(options: ScriptedIssuerOptions): Promise<ScriptedIssuer> {
  const heard: Heard = { requests: [], brokenOff: [], connections: 0 }
  const scripts = new Map<IssuerEndpoint, IssuerScript>()
  const says = { url: '', mtlsOrigin: '', keys: await publicKeys(options.keys ?? []) }
  const headers = { 'cache-control': `max-age=${options.maxAgeSeconds ?? 60}` }

  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const asked = await requestOf(request)
    const honest = honestAnswer(asked, says)
    heard.requests.push(asked)
    const script = scripts.get(asked.endpoint)
    const scripted = typeof script === 'function' ? script(asked, honest) : script
    const status = honest === undefined ? 404 : 200
    sendAnswer(response, scripted ?? { status, headers, body: honest ?? { error: 'not_found' } }, honest)
  }
  const wanted = [options.port ?? 0, ...(options.mtlsPort === undefined ? [] : [options.mtlsPort])]
  const judge = server(options.certificate, serve, heard)
  const listenings: Listening[] = []
  for (const one of wanted) {
    listenings.push(await options.seat.listen((stream) => judge.emit('connection', stream), one))
  }
  const [{ address, port }, { port: mtlsPort } = { port }] = listenings as [Listening, Listening?]
  says.url = `https://${options.host}:${port}`
  says.mtlsOrigin = `https://${options.host}:${mtlsPort}`

  const present = ({ certPem, keyPem }: Identity) => {
    judge.setSecureContext({ cert: certPem, key: keyPem })
    for (const one of listenings) one.drop()
  }
  const publish = async (keys: readonly JWK[]) => {
    says.keys = await publicKeys(keys)
  }

  return {
    url: says.url,
    address,
    port,
    requests: heard.requests,
    brokenOff: heard.brokenOff,
    get connections() {
      return heard.connections
    },
    script(endpoint, script) {
      if (script === undefined) scripts.delete(endpoint)
      else scripts.set(endpoint, script)
    },
    present,
    publish,
    async reset() {
      scripts.clear()
      present(options.certificate)
      await publish(options.keys ?? [])
      heard.requests.length = 0
      heard.brokenOff.length = 0
      heard.connections = 0
    },
    [Symbol.asyncDispose]: async () => {
      for (const one of listenings) await one[Symbol.asyncDispose]()
    },
  }
}

interface Heard {
  readonly requests: IssuerRequest[]
  readonly brokenOff: string[]
  connections: number
}

/** It judges nobody and only wants to hear who asks, and for what. */
function server(
  { certPem: cert, keyPem: key }: Identity,
  serve: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
  heard: Heard,
): https.Server {
  const listening = https.createServer({ cert, key, requestCert: true, rejectUnauthorized: false })
  listening.on('request', (request, response) => void serve(request, response).catch(() => request.socket.destroy()))
  listening.on('secureConnection', () => {
    heard.connections += 1
  })
  listening.on('tlsClientError', (error) =>
    heard.brokenOff.push((error as NodeJS.ErrnoException).code ?? error.message),
  )
  return listening
}

const paths: Readonly<Record<string, IssuerEndpoint>> = {
  '/.well-known/oauth-authorization-server': 'metadata',
  '/.well-known/openid-configuration': 'metadata',
  '/jwks': 'keys',
  '/token/introspection': 'introspection',
  '/token': 'token',
}

async function requestOf(request: IncomingMessage): Promise<IssuerRequest> {
  const { method = '', url: path = '', headers } = request
  const leaf = (request.socket as TLSSocket).getPeerX509Certificate()
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  return {
    endpoint: paths[path] ?? 'other',
    method,
    path,
    headers,
    body: Buffer.concat(chunks).toString('utf8'),
    presented: leaf && thumbprintS256(new Uint8Array(leaf.raw)),
  }
}

function honestAnswer(
  { endpoint, body }: IssuerRequest,
  { url, mtlsOrigin, keys }: { readonly url: string; readonly mtlsOrigin: string; readonly keys: readonly JWK[] },
): unknown {
  if (endpoint === 'metadata') {
    const token_endpoint = `${mtlsOrigin}/token`
    const introspection_endpoint = `${mtlsOrigin}/token/introspection`
    const aliases = { token_endpoint, introspection_endpoint }
    return { issuer: url, jwks_uri: `${url}/jwks`, ...aliases, mtls_endpoint_aliases: aliases }
  }
  if (endpoint === 'keys') return { keys }
  if (endpoint === 'introspection') {
    const token = inspectToken(new URLSearchParams(body).get('token') ?? '')
    return token === undefined ? { active: false } : { active: true, ...token.claims }
  }
  return undefined
}

/** Public parts, each under its RFC 7638 thumbprint where it has no `kid` of its own. */
async function publicKeys(keys: readonly JWK[]): Promise<JWK[]> {
  return Promise.all(
    keys.map(async ({ kty, crv, x, y, n, e, alg, kid }) => {
      const members = { kty, crv, x, y, n, e, alg, use: 'sig' }
      const given = Object.entries(members).filter(([, value]) => value !== undefined)
      const jwk = Object.fromEntries(given) as JWK
      return { ...jwk, kid: kid ?? (await calculateJwkThumbprint(jwk)) }
    }),
  )
}
