import { calculateJwkThumbprint, type JWK } from 'jose'
import { inspectToken } from '../../tokens/inspect.ts'
import { type Script, type ScriptedRequest, ScriptedServer, type ScriptedServerOptions } from '../scripted-server.ts'

export interface ScriptedIssuerOptions extends ScriptedServerOptions {
  /** Port of the endpoints for client certificates (RFC 8705 section 5). Default: the same port. */
  mtlsPort?: number
  /** Keys that it publishes the public parts of. */
  keys?: readonly JWK[]
  /** `max-age` of its key set, in s. Default 60. */
  maxAgeSeconds?: number
}

/** What an issuer is asked for; `other` is any other path. */
export type IssuerEndpoint = 'metadata' | 'keys' | 'introspection' | 'token' | 'other'

/** One request to a scripted issuer, written down when it was read whole. */
export type IssuerRequest = ScriptedRequest<IssuerEndpoint>

/** An answer, or what makes one out of a request and of that which an honest issuer would say. */
export type IssuerScript = Script<IssuerEndpoint>

/** Listens as an issuer that demands nothing of its callers and writes down everything. */
export async function listenAsIssuer(options: ScriptedIssuerOptions): Promise<ScriptedIssuer> {
  const issuer = new ScriptedIssuer(options)
  await issuer.publish(options.keys ?? [])
  await issuer.listen(options.mtlsPort)
  return issuer
}

/**
 * An issuer under the scenario's control. It begins honest: its metadata name itself, its key set holds its keys, and each token
 * that it is asked about is active, with the claims that stand in it. Scripts change that, from the next request on.
 */
export class ScriptedIssuer extends ScriptedServer<IssuerEndpoint> {
  protected override readonly headers: Readonly<Record<string, string>>
  readonly #published: readonly JWK[]
  #keys: readonly JWK[] = []

  constructor(options: ScriptedIssuerOptions) {
    super(options)
    this.#published = options.keys ?? []
    this.headers = { 'cache-control': `max-age=${options.maxAgeSeconds ?? 60}` }
  }

  /** Publishes the public parts of other keys from now on. */
  async publish(keys: readonly JWK[]): Promise<void> {
    this.#keys = await publicKeys(keys)
  }

  /** The keys of the beginning, too. */
  override async reset(): Promise<void> {
    await super.reset()
    await this.publish(this.#published)
  }

  protected override endpointOf(path: string): IssuerEndpoint {
    return paths[path] ?? 'other'
  }

  protected override honest({ endpoint, body }: IssuerRequest) {
    const json = this.#honestAnswer(endpoint, body)
    return json && { json }
  }

  #honestAnswer(endpoint: IssuerEndpoint, body: string): object | undefined {
    const { url } = this
    if (endpoint === 'metadata') {
      const mtlsOrigin = `https://${this.host}:${this.listenings.at(-1)!.port}`
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

/** Public parts, each under its RFC 7638 thumbprint where it has no `kid` of its own. */
async function publicKeys(keys: readonly JWK[]): Promise<JWK[]> {
  return Promise.all(
    keys.map(async ({ kty, crv, x, y, n, e, alg, kid }) => {
      const jwk = { kty, crv, x, y, n, e, alg, use: 'sig' }
      return { ...jwk, kid: kid ?? (await calculateJwkThumbprint(jwk)) }
    }),
  )
}
