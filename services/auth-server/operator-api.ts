import { X509Certificate } from 'node:crypto'
import { z } from 'zod'
import type { Guard } from '../shared/guard.ts'
import { methodOf } from '../shared/http-method.ts'
import { thumbprint } from '../shared/peer-certificate.ts'
import type { Configuration } from './config.ts'
import { type Exchange, Refused } from './exchange.ts'
import { keysRotate } from './guards/keys-rotate.ts'
import { mintHolder } from './guards/mint-holder.ts'
import { operatorCaller } from './guards/operator-caller.ts'
import { operatorObject } from './guards/operator-object.ts'
import { type JsonRequest, requestJson } from './guards/request-body.ts'
import { requestQuery } from './guards/request-query.ts'
import { requestRoute } from './guards/request-route.ts'
import type { Issuing } from './issuing.ts'
import { type KeyRing, RotationInProgress, SIGNING_ALGORITHMS } from './keys.ts'
import {
  type Client,
  clientId,
  type Grant,
  type Holder,
  type Registration,
  registrationSchema,
  scopeToken,
  THUMBPRINT,
} from './model.ts'
import type { Store } from './store/store.ts'
import { ClientGone } from './store/token-writer.ts'

export interface OperatorApi {
  configuration: Configuration
  store: Store
  keys: KeyRing
  issuing: Issuing
  /** Whether the service can do its work, and if not, why. */
  readiness(): { ready: boolean; reason?: string }
}

type Handler = (api: OperatorApi, exchange: Exchange, id: string) => Promise<void> | void

interface Route {
  /** Matches the path below `/operator/v1`; its group is the id. */
  path: RegExp
  methods: Readonly<Record<string, { action: string; handle: Handler }>>
}

const base = '/operator/v1'
const text = z.string().max(2048)
const x5t = z.string().regex(THUMBPRINT, 'must be an x5t#S256')

const routes: readonly Route[] = [
  {
    path: /^\/clients\/([^/]+)$/,
    methods: {
      PUT: { action: 'operator:put-client', handle: putClient },
      GET: { action: 'operator:clients', handle: getClient },
      DELETE: { action: 'operator:delete-client', handle: deleteClient },
    },
  },
  { path: /^\/clients$/, methods: { GET: { action: 'operator:clients', handle: listClients } } },
  { path: /^\/holders$/, methods: { GET: { action: 'operator:holders', handle: listHolders } } },
  {
    path: /^\/tokens$/,
    methods: {
      GET: { action: 'operator:list-tokens', handle: listTokens },
      POST: { action: 'operator:mint', handle: mint },
    },
  },
  { path: /^\/tokens\/revoke$/, methods: { POST: { action: 'operator:revoke', handle: revoke } } },
  { path: /^\/keys$/, methods: { GET: { action: 'operator:keys', handle: listKeys } } },
  { path: /^\/keys\/rotate$/, methods: { POST: { action: 'operator:rotate', handle: rotate } } },
]

/** The operator listener: certificates of the own CA only, and of those only the operators' SANs, health aside. */
export function operatorApi(api: OperatorApi): (exchange: Exchange) => Promise<void> {
  const { operators } = api.configuration
  return async (exchange) => {
    const { request, url, connection } = exchange
    const method = methodOf(request)
    if (method === 'GET' && url.pathname === '/healthz') return health(exchange, { ready: true })
    if (method === 'GET' && url.pathname === '/readyz') return health(exchange, api.readiness())
    const path = url.pathname.startsWith(base) ? url.pathname.slice(base.length) : ''
    const route = routes.find((candidate) => candidate.path.test(path))
    const found = route !== undefined && Object.hasOwn(route.methods, method) ? route.methods[method] : undefined
    exchange.action = found?.action ?? 'operator:unknown'
    await exchange.pass([operatorCaller], {
      certificate: connection.certificate,
      operators,
      authorization: request.headers.authorization,
    })
    const san = connection.certificate?.sans.find((name) => operators.includes(name))
    if (san !== undefined) exchange.principal.san = san
    await exchange.pass([requestRoute], { method, methods: route && Object.keys(route.methods) })
    await found?.handle(api, exchange, route?.path.exec(path)?.[1] ?? '')
  }
}

/** Probes decide nothing, so they leave no record. */
function health({ response }: Exchange, { ready, reason }: { ready: boolean; reason?: string }): void {
  const body = JSON.stringify(ready ? { status: 'ok' } : { status: 'unavailable', reason })
  response.writeHead(ready ? 200 : 503, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(body)
}

async function putClient(api: OperatorApi, exchange: Exchange, id: string): Promise<void> {
  const { maximumSeconds } = api.configuration.tokens
  const registration = await readBody(exchange, registrationFor(id, api, maximumSeconds))
  const client = clientOf(registration)
  const isNew = api.store.clients.put(client)
  exchange.answer(isNew ? 201 : 200, publicClient(client))
}

async function getClient({ store }: OperatorApi, exchange: Exchange, id: string): Promise<void> {
  const client = store.clients.find(id)
  await exchange.pass([operatorObject], { exists: client !== undefined })
  exchange.answer(200, publicClient(client as Client))
}

async function deleteClient({ store }: OperatorApi, exchange: Exchange, id: string): Promise<void> {
  await exchange.pass([operatorObject], { exists: store.clients.remove(id, seconds()) })
  exchange.answer(204)
}

function listClients({ store }: OperatorApi, exchange: Exchange): void {
  exchange.answer(200, { clients: store.clients.list().map(publicClient) })
}

const holdersQuery = z.strictObject({ client: text.optional() })

async function listHolders({ store }: OperatorApi, exchange: Exchange): Promise<void> {
  const { client } = await readQuery(exchange, holdersQuery)
  exchange.answer(200, { holders: store.clients.holders(client).map(publicHolder) })
}

const mintBody = z.strictObject({
  clientId,
  resource: text,
  scope: z.array(scopeToken).min(1).max(32).optional(),
  // Judged by the guard, which knows the grant's maximum.
  expiresIn: z.unknown().optional(),
  'x5t#S256': x5t.optional(),
})

async function mint({ store, issuing }: OperatorApi, exchange: Exchange): Promise<void> {
  const body = await readBody(exchange, mintBody)
  const client = store.clients.find(body.clientId)
  const named = body['x5t#S256']
  const holder =
    named === undefined ? store.clients.newestHolder(body.clientId) : store.clients.holder(body.clientId, named)
  const grant = client?.grants.find((candidate) => candidate.resource === body.resource)
  const { scope, expiresIn } = body
  await exchange.pass([mintHolder], { client, holder, grant, scope, expiresIn })
  const checked = { client: client as Client, holder: holder as Holder, grant: grant as Grant }
  const order = { ...checked, scope: scope ?? checked.grant.scopes, expiresIn: expiresIn as number | undefined }
  const issued = await issuing.mint(order).catch((failure: unknown) => {
    if (!(failure instanceof ClientGone)) throw failure
    throw new Refused(mintHolder.id, { reason: 'client_unknown', status: 404, error: 'not_found' })
  })
  Object.assign(exchange.principal, { jti: issued.jti, sub: checked.client.clientId })
  exchange.answer(201, {
    access_token: issued.accessToken,
    use: checked.grant.use,
    jti: issued.jti,
    exp: issued.exp,
    'x5t#S256': checked.holder.x5t,
  })
}

const tokensQuery = z.strictObject({
  subject: text.optional(),
  x5t: text.optional(),
  san: text.optional(),
  state: z.enum(['active', 'revoked', 'expired']).optional(),
  limit: z
    .string()
    .regex(/^[1-9][0-9]{0,3}$/)
    .transform(Number)
    .refine((limit) => limit <= 1000)
    .default(100),
  cursor: z
    .string()
    .regex(/^[1-9][0-9]{0,14}$/)
    .transform(Number)
    .default(0),
})

async function listTokens({ store }: OperatorApi, exchange: Exchange): Promise<void> {
  const { limit, cursor, ...filter } = await readQuery(exchange, tokensQuery)
  const { tokens, next } = store.tokens.list(filter, { limit, cursor }, seconds())
  exchange.answer(200, {
    tokens: tokens.map((token) => ({
      jti: token.jti,
      use: token.use,
      sub: token.clientId,
      aud: token.aud,
      scope: token.scope,
      'x5t#S256': token.x5t,
      sans: token.sans,
      kid: token.kid,
      iat: token.iat,
      exp: token.exp,
      state: token.state,
    })),
    ...(next === undefined ? {} : { cursor: String(next) }),
  })
}

const revokeBody = z.union([
  z.strictObject({ jti: text.min(1) }),
  z.strictObject({ san: text.min(1) }),
  z.strictObject({ x5t: text.min(1) }),
])

async function revoke({ store }: OperatorApi, exchange: Exchange): Promise<void> {
  const by = await readBody(exchange, revokeBody)
  const revoked = store.tokens.revoke(by, seconds())
  // Until it was found it is only what the caller says, and may be anything.
  if ('jti' in by && revoked !== undefined) exchange.principal.jti = by.jti
  await exchange.pass([operatorObject], { exists: revoked !== undefined })
  exchange.answer(200, { revoked }, { effect: `revoked:${revoked}` })
}

const alg = z.enum(SIGNING_ALGORITHMS).optional()
const rotateBody = z.discriminatedUnion('mode', [
  z.strictObject({ mode: z.literal('grace'), graceSeconds: z.int().min(1).max(86_400).default(300), alg }),
  z.strictObject({ mode: z.literal('immediate'), alg }),
])

async function rotate({ keys, issuing }: OperatorApi, exchange: Exchange): Promise<void> {
  const order = await readBody(exchange, rotateBody)
  const graceSeconds = order.mode === 'grace' ? order.graceSeconds : undefined
  await exchange.pass([keysRotate], { isRotating: keys.isRotating() })
  const result = await keys.rotate({ alg: order.alg, graceSeconds }).catch(async (failure: unknown) => {
    // Another one began since the guard looked, so it judges once more.
    if (failure instanceof RotationInProgress) await exchange.pass([keysRotate], { isRotating: true })
    throw failure
  })
  issuing.rekey()
  exchange.answer(200, result)
}

function listKeys({ keys }: OperatorApi, exchange: Exchange): void {
  exchange.answer(200, { keys: keys.list() })
}

async function readBody<Schema extends z.ZodType>(exchange: Exchange, schema: Schema): Promise<z.output<Schema>> {
  const context: JsonRequest = { request: exchange.request, schema }
  await exchange.pass([requestJson as Guard<JsonRequest>], context)
  return context.value as z.output<Schema>
}

async function readQuery<Schema extends z.ZodType>(exchange: Exchange, schema: Schema): Promise<z.output<Schema>> {
  const context = { query: exchange.url.searchParams, schema, value: undefined as unknown }
  await exchange.pass([requestQuery], context)
  return context.value as z.output<Schema>
}

function registrationFor(id: string, { configuration }: OperatorApi, longestSeconds: number) {
  const domains = [configuration.trustDomain, ...Object.keys(configuration.trustDomains)]
  return registrationSchema(longestSeconds)
    .refine((registration) => registration.client_id === id)
    .refine((registration) => registration.method !== 'tls_client_auth' || domains.includes(registration.trustDomain))
    .refine((registration) => pinsOf(registration) !== undefined)
}

function clientOf(registration: Registration): Client {
  const { client_id: id, method, grants, introspects } = registration
  const names =
    registration.method === 'tls_client_auth'
      ? { sanDns: registration.sanDns, trustDomain: registration.trustDomain }
      : {}
  return { clientId: id, method, ...names, pins: pinsOf(registration) ?? [], grants, introspects }
}

/** Undefined when what should be pinned is no certificate. */
function pinsOf(registration: Registration): Client['pins'] | undefined {
  if (registration.method === 'tls_client_auth') return []
  try {
    return [registration.pinnedCertificate].flat().map((pem) => {
      const certificate = new X509Certificate(pem)
      return { x5t: thumbprint(certificate), jwk: { ...certificate.publicKey.export({ format: 'jwk' }) } }
    })
  } catch {
    return undefined
  }
}

function publicClient(client: Client) {
  const { clientId: id, method, sanDns, trustDomain, pins, grants, introspects } = client
  const pinned = method === 'self_signed_tls_client_auth' ? { pinned: pins.map((pin) => pin.x5t) } : {}
  return { client_id: id, method, sanDns, trustDomain, ...pinned, grants, introspects }
}

function publicHolder({ clientId: id, x5t: proven, ...rest }: Holder) {
  return { client_id: id, 'x5t#S256': proven, ...rest }
}

function seconds(): number {
  return Math.floor(Date.now() / 1000)
}
