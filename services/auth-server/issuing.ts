import type { IncomingMessage } from 'node:http'
import type { Context, StructuredToken, Token } from 'oidc-provider'
import type { Configuration } from './config.ts'
import { type Exchange, Refused } from './exchange.ts'
import { tokenClient } from './guards/token-client.ts'
import type { KeyRing, SigningKey } from './keys.ts'
import type { Client, Grant, Holder } from './model.ts'
import type { Store } from './store/store.ts'

/** One token to be made, with everything that its claims come from. All of it was checked by guards. */
export interface Order {
  client: Client
  grant: Grant
  scope: readonly string[]
  /** The certificate that it is bound to. */
  holder: Holder
  /** Seconds; undefined means what tokens of this use get. */
  expiresIn?: number
}

export interface IssuedToken {
  accessToken: string
  jti: string
  exp: number
}

/** Makes tokens. Every one passes `formats.customizers.jwt`, which writes its row; it leaves once that is on disk. */
export interface Issuing {
  /** Answers a token request through the provider. `decide` is called with the answer's status before it is sent. */
  answer(exchange: Exchange, order: Order): Promise<void>
  /** Makes a token outside a token request. */
  mint(order: Order): Promise<IssuedToken>
  /** From now on the active key signs, through a new provider; requests in flight finish on the one before. */
  rekey(): void
  /** Loads what the first token needs. */
  warmUp(): Promise<void>
}

interface Work extends Order {
  jti?: string
  exp?: number
  /** Settled when the token's row is on disk, or `failure` says why it is not. */
  recorded?: Promise<void>
  failure?: unknown
}

export function createIssuing(
  configuration: Configuration,
  store: Store,
  keys: KeyRing,
  onFailure: (failure: unknown) => void,
): Issuing {
  // oidc-provider is the heaviest module here, and nothing but the making of tokens needs it.
  let current: Promise<Issuer> | undefined
  const issuer = (): Promise<Issuer> => {
    if (current === undefined) {
      const next = createIssuer(configuration, store, keys.active(), onFailure)
      next.catch(() => {
        if (current === next) current = undefined
      })
      current = next
    }
    return current
  }
  return {
    answer: async (exchange, order) => (await issuer()).answer(exchange, order),
    mint: async (order) => (await issuer()).mint(order),
    rekey() {
      current = undefined
    },
    warmUp: async () => void (await issuer()),
  }
}

const CROSS_ORIGIN_HEADERS = ['Access-Control-Allow-Origin', 'Access-Control-Expose-Headers']

type Issuer = Pick<Issuing, 'answer' | 'mint'>

async function createIssuer(
  configuration: Configuration,
  store: Store,
  key: SigningKey,
  onFailure: (failure: unknown) => void,
): Promise<Issuer> {
  const { Provider } = await import('oidc-provider')
  const byRequest = new WeakMap<IncomingMessage, { work: Work; exchange: Exchange }>()
  const byToken = new WeakMap<Token, Work>()
  const workOf = (context: Context | undefined, token: Token): Work => {
    const work = byToken.get(token) ?? (context && byRequest.get(context.req)?.work)
    if (work === undefined) throw new Error('a token was made outside a request of this service')
    return work
  }
  const certificateOf = (context: Context) => byRequest.get(context.req)?.exchange.connection.certificate

  const provider = new Provider(configuration.issuer, {
    adapter: clientAdapter(store),
    jwks: { keys: [structuredClone(key.jwk)] },
    clientAuthMethods: ['tls_client_auth', 'self_signed_tls_client_auth'],
    clientDefaults: { id_token_signed_response_alg: key.alg },
    enabledJWA: { idTokenSigningAlgValues: [key.alg] },
    responseTypes: [],
    scopes: [],
    ttl: { ClientCredentials: (context: Context, token: Token) => lifeOf(workOf(context, token), configuration) },
    formats: {
      bitsOfOpaqueRandomness: 256,
      customizers: {
        jwt(context: Context | undefined, token: Token, structured: StructuredToken) {
          const work = workOf(context, token)
          complete(structured, work, configuration.issuer)
          // The row goes to the disk while the token is signed; nobody gets the token before both are done.
          work.recorded = record(store, structured.payload, work, key.kid).catch((failure: unknown) => {
            work.failure = failure
          })
        },
      },
    },
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      clientCredentials: { enabled: true },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        selfSignedTlsClientAuth: true,
        tlsClientAuth: true,
        getCertificate: (context: Context) => certificateOf(context)?.x509,
        certificateAuthorized: (context: Context) => certificateOf(context)?.domain !== undefined,
        certificateSubjectMatches: (context: Context, property: string, expected: string) =>
          property === 'tls_client_auth_san_dns' && (certificateOf(context)?.sans.includes(expected) ?? false),
      },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (context: Context) => resourceServer(byRequest.get(context.req)?.work.grant, key),
      },
    },
  })
  provider.on('server_error', (context, failure) => {
    if (byRequest.get(context.req)?.work.failure === undefined) onFailure(failure)
  })
  const answered = new WeakMap<IncomingMessage, (failure: unknown) => void>()
  provider.use(async (context, next) => {
    const { work, exchange } = byRequest.get(context.req) as { work: Work; exchange: Exchange }
    await next()
    // The provider lets scripts of every origin read its answers; no page of any origin has business here.
    for (const header of CROSS_ORIGIN_HEADERS) context.remove(header)
    await work.recorded
    const settle = answered.get(context.req)
    if (work.failure !== undefined) {
      // The service's own answer says more than the provider's general one.
      ;(context as unknown as { respond: boolean }).respond = false
      settle?.(work.failure)
      return
    }
    const error = (context.body as { error?: string } | undefined)?.error
    if (error === undefined) {
      Object.assign(exchange.principal, { jti: work.jti })
      exchange.decide({ status: context.status })
      return settle?.(undefined)
    }
    // The guards approved, so it is a client that was deleted since, or a fault of ours.
    ;(context as unknown as { respond: boolean }).respond = false
    const isGone = error === 'invalid_client'
    const refusal = { reason: 'client_unknown', status: 401, error }
    settle?.(isGone ? new Refused(tokenClient.id, refusal) : new Error(`the provider answered ${error}`))
  })
  const callback = provider.callback()

  return {
    answer: (exchange, order) =>
      new Promise((resolve, reject) => {
        const request = requestOf(exchange.request, order)
        byRequest.set(request, { work: { ...order }, exchange })
        answered.set(request, (failure) => (failure === undefined ? resolve() : reject(failure)))
        exchange.response.once('close', resolve)
        callback(request, exchange.response)
      }),
    async mint(order) {
      const work: Work = { ...order }
      const client = await provider.Client.find(order.client.clientId)
      const token = new provider.ClientCredentials({ client, scope: order.scope.join(' ') })
      byToken.set(token, work)
      Object.assign(token, {
        resourceServer: new provider.ResourceServer(order.grant.resource, resourceServer(order.grant, key)),
        'x5t#S256': order.holder.x5t,
        expiresIn: lifeOf(work, configuration),
      })
      const accessToken = await token.save()
      await work.recorded
      if (work.failure !== undefined) throw work.failure
      return { accessToken, jti: work.jti as string, exp: work.exp as number }
    },
  }
}

/** A token request with exactly what the guards approved: nothing else that the caller sent gets as far as the provider. */
function requestOf(original: IncomingMessage, order: Order): IncomingMessage {
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: order.client.clientId,
    resource: order.grant.resource,
    scope: order.scope.join(' '),
  }).toString()
  const headers = {
    host: original.headers.host,
    accept: 'application/json',
    'content-type': 'application/x-www-form-urlencoded',
    'content-length': String(Buffer.byteLength(body)),
  }
  const { method, httpVersion, httpVersionMajor, httpVersionMinor, socket } = original
  const message = { method, url: '/token', headers, httpVersion, httpVersionMajor, httpVersionMinor, socket }
  // What the provider reads of a request's stream, without a stream for a body that is whole already.
  const content = { readable: true, readableEncoding: null, iterator: () => [Buffer.from(body)] }
  return { ...message, ...content } as unknown as IncomingMessage
}

function resourceServer(grant: Grant | undefined, key: SigningKey): Record<string, unknown> {
  if (grant === undefined) throw new Error('a resource was asked for outside a request of this service')
  return {
    scope: grant.scopes.join(' '),
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg: key.alg, kid: key.kid } },
  }
}

function lifeOf({ grant, holder, expiresIn }: Work, { tokens }: Configuration): number {
  const usual = grant.use === 'node' ? tokens.nodeSeconds : tokens.peerSeconds
  const wanted = expiresIn ?? Math.min(usual, grant.maxTtlSeconds)
  // A token never outlives the certificate that it is bound to.
  return Math.max(1, Math.min(wanted, holder.notAfter - Math.floor(Date.now() / 1000)))
}

/** The claims of a token, in the order in which people read them. */
function complete(structured: StructuredToken, work: Work, issuer: string): void {
  const { jti, iat, exp, scope } = structured.payload
  const { grant, holder, client } = work
  work.jti = jti as string
  work.exp = Math.min(exp as number, holder.notAfter)
  structured.payload = {
    iss: issuer,
    sub: client.clientId,
    aud: grant.aud.length === 1 ? grant.aud[0] : grant.aud,
    client_id: client.clientId,
    jti,
    iat,
    exp: work.exp,
    scope,
    cnf: { 'x5t#S256': holder.x5t },
    token_use: grant.use,
    sans: holder.sans,
    trusted_domains: grant.trustedDomains,
    ...(grant.trustedNodes === undefined ? {} : { trusted_nodes: grant.trustedNodes }),
  }
}

function record(store: Store, payload: Record<string, unknown>, work: Work, kid: string): Promise<void> {
  const { grant, holder, client } = work
  return store.tokens.record({
    jti: payload.jti as string,
    use: grant.use,
    clientId: client.clientId,
    aud: grant.aud,
    scope: payload.scope as string,
    x5t: holder.x5t,
    sans: holder.sans,
    trustedDomains: grant.trustedDomains,
    trustedNodes: grant.trustedNodes,
    kid,
    iat: payload.iat as number,
    exp: payload.exp as number,
  })
}

/** The provider's view of the clients. It keeps nothing else: its tokens are JWTs, and their rows are ours. */
function clientAdapter(store: Store) {
  return class ClientAdapter {
    readonly kind: string

    constructor(kind: string) {
      this.kind = kind
    }

    async find(id: string): Promise<Record<string, unknown> | undefined> {
      const client = this.kind === 'Client' ? store.clients.find(id) : undefined
      return client === undefined ? undefined : metadataOf(client)
    }

    async upsert(): Promise<void> {
      throw new Error(`the provider keeps no ${this.kind}`)
    }
  }
}

function metadataOf(client: Client): Record<string, unknown> {
  return {
    client_id: client.clientId,
    token_endpoint_auth_method: client.method,
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
    tls_client_certificate_bound_access_tokens: true,
    ...(client.method === 'tls_client_auth'
      ? { tls_client_auth_san_dns: client.sanDns }
      : { jwks: { keys: client.pins.map(({ x5t, jwk }) => ({ ...jwk, 'x5t#S256': x5t })) } }),
  }
}
