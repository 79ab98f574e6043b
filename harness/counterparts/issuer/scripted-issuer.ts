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

/** Listens as an issuer that demands nothing of its callers and writes down everything. */
export async function listenAsIssuer(options: ScriptedIssuerOptions): Promise<ScriptedIssuer> {
  const issuer = new ScriptedIssuer(options)
  await issuer.publish(options.keys ?? [])
  await issuer.listen()
  return issuer
}

/**
 * An issuer under the scenario's control. It begins honest: its metadata name itself, its key set holds its keys, and each token
 * that it is asked about is active, with the claims that stand in it. Scripts change that, from the next request on.
 */
export class ScriptedIssuer implements AsyncDisposable {
  readonly requests: IssuerRequest[] = []
  /** Connections whose handshake was finished. */
  connections = 0
  /** Handshakes that the caller broke off, with what was seen of the reason. */
  readonly brokenOff: string[] = []
  readonly #options: ScriptedIssuerOptions
  readonly #scripts = new Map<IssuerEndpoint, IssuerScript>()
  readonly #server: https.Server
  readonly #listenings: Listening[] = []
  #keys: readonly JWK[] = []

  constructor(options: ScriptedIssuerOptions) {
    this.#options = options
    const { certPem: cert, keyPem: key } = options.certificate
    // It judges nobody and only wants to hear who asks, and for what.
    this.#server = https.createServer({ cert, key, requestCert: true, rejectUnauthorized: false })
    this.#server.on('request', (request, response) => {
      this.#serve(request, response).catch(() => request.socket.destroy())
    })
    this.#server.on('secureConnection', () => {
      this.connections += 1
    })
    this.#server.on('tlsClientError', (error: NodeJS.ErrnoException) =>
      this.brokenOff.push(error.code ?? error.message),
    )
  }

  async listen(): Promise<void> {
    const { seat, port = 0, mtlsPort } = this.#options
    for (const wanted of mtlsPort === undefined ? [port] : [port, mtlsPort]) {
      this.#listenings.push(await seat.listen((stream) => this.#server.emit('connection', stream), wanted))
    }
  }

  get address(): string {
    return this.#listenings[0]!.address
  }

  get port(): number {
    return this.#listenings[0]!.port
  }

  /** Its `iss`: `https://HOST:PORT`. */
  get url(): string {
    return `https://${this.#options.host}:${this.port}`
  }

  /** Answers so from now on; without a script, honestly again. */
  script(endpoint: IssuerEndpoint, script?: IssuerScript): void {
    if (script === undefined) this.#scripts.delete(endpoint)
    else this.#scripts.set(endpoint, script)
  }

  /** Presents another certificate from now on, on connections that begin anew. */
  present({ certPem, keyPem }: Identity): void {
    this.#server.setSecureContext({ cert: certPem, key: keyPem })
    for (const one of this.#listenings) one.drop()
  }

  /** Publishes the public parts of other keys from now on. */
  async publish(keys: readonly JWK[]): Promise<void> {
    this.#keys = await publicKeys(keys)
  }

  /** Honest again, with the keys and the certificate of the beginning, and nothing written down. */
  async reset(): Promise<void> {
    this.#scripts.clear()
    this.present(this.#options.certificate)
    await this.publish(this.#options.keys ?? [])
    this.requests.length = 0
    this.brokenOff.length = 0
    this.connections = 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#listenings) await one[Symbol.asyncDispose]()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = await requestOf(request)
    const honest = this.#honestAnswer(asked)
    this.requests.push(asked)
    const script = this.#scripts.get(asked.endpoint)
    const scripted = typeof script === 'function' ? script(asked, honest) : script
    const status = honest === undefined ? 404 : 200
    const headers = { 'cache-control': `max-age=${this.#options.maxAgeSeconds ?? 60}` }
    sendAnswer(response, scripted ?? { status, headers, body: honest ?? { error: 'not_found' } }, honest)
  }

  #honestAnswer({ endpoint, body }: IssuerRequest): unknown {
    const { url } = this
    if (endpoint === 'metadata') {
      const mtlsOrigin = `https://${this.#options.host}:${this.#listenings.at(-1)!.port}`
      const token_endpoint = `${mtlsOrigin}/token`
      const introspection_endpoint = `${mtlsOrigin}/token/introspection`
      const aliases = { token_endpoint, introspection_endpoint }
      return { issuer: url, jwks_uri: `${url}/jwks`, ...aliases, mtls_endpoint_aliases: aliases }
    }
    if (endpoint === 'keys') return { keys: this.#keys }
    if (endpoint !== 'introspection') return undefined
    const token = inspectToken(new URLSearchParams(body).get('token') ?? '')
    return token === undefined ? { active: false } : { active: true, ...token.claims }
  }
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

/** Public parts, each under its RFC 7638 thumbprint where it has no `kid` of its own. */
async function publicKeys(keys: readonly JWK[]): Promise<JWK[]> {
  return Promise.all(
    keys.map(async ({ kty, crv, x, y, n, e, alg, kid }) => {
      const jwk = { kty, crv, x, y, n, e, alg, use: 'sig' }
      return { ...jwk, kid: kid ?? (await calculateJwkThumbprint(jwk)) }
    }),
  )
}
