import { z } from 'zod'
import { methodOf } from '../shared/http-method.ts'
import type { Configuration } from './config.ts'
import { type Exchange, Refused } from './exchange.ts'
import { type FormRequest, type JsonRequest, requestForm, requestJson } from './guards/request-body.ts'
import { requestRoute } from './guards/request-route.ts'
import { tokenClient } from './guards/token-client.ts'
import { requestedGrant, requestedScopes, tokenGrant } from './guards/token-grant.ts'
import { holderOf } from './holders.ts'
import type { Issuing } from './issuing.ts'
import type { KeyRing } from './keys.ts'
import type { Client, Grant, Holder } from './model.ts'
import type { Store } from './store/store.ts'
import { ClientGone } from './store/token-writer.ts'
import { introspectionOf, type Reading, readToken } from './token-reading.ts'

export interface TokenApi {
  configuration: Configuration
  store: Store
  keys: KeyRing
  issuing: Issuing
}

const holderSchema = z.strictObject({ client_id: z.string() })

/** The mtls listener: every caller is a client, and its certificate is its credential. */
export function tokenApi(api: TokenApi): (exchange: Exchange) => Promise<void> {
  const routes: Record<string, { method: string; action: string; handle: Handler }> = {
    '/token': { method: 'POST', action: 'token:request', handle: request },
    '/token/introspection': { method: 'POST', action: 'token:introspect', handle: introspect },
    '/token/revocation': { method: 'POST', action: 'token:revoke', handle: revoke },
    '/holders/self': { method: 'PUT', action: 'holder:prove', handle: prove },
  }
  return async (exchange) => {
    const route = Object.hasOwn(routes, exchange.url.pathname) ? routes[exchange.url.pathname] : undefined
    exchange.action = route?.action ?? 'unknown'
    const methods = route === undefined ? undefined : [route.method]
    await exchange.pass([requestRoute], { method: methodOf(exchange.request), methods })
    await route?.handle(api, exchange)
  }
}

type Handler = (api: TokenApi, exchange: Exchange) => Promise<void>

async function request(api: TokenApi, exchange: Exchange): Promise<void> {
  const form = await readForm(exchange, { repeatable: ['resource'] })
  const { client, holder } = await authenticate(api, exchange, form.get('client_id'), offersOtherMethod(exchange, form))
  await exchange.pass([tokenGrant], { form, client })
  const grant = requestedGrant(form, client) as Grant
  api.store.clients.proveOnce(holder)
  const order = { client, grant, holder, scope: requestedScopes(form) ?? grant.scopes }
  await api.issuing.answer(exchange, order).catch((failure: unknown) => {
    if (!(failure instanceof ClientGone)) throw failure
    throw new Refused(tokenClient.id, { reason: 'client_unknown', status: 401, error: 'invalid_client' })
  })
}

async function introspect(api: TokenApi, exchange: Exchange): Promise<void> {
  const form = await readForm(exchange, { required: ['token'] })
  const { client, holder } = await authenticate(api, exchange, form.get('client_id'), offersOtherMethod(exchange, form))
  recordHolder(api, holder)
  const reading = await read(api, form)
  const effect = effectFor(client, reading)
  if ('token' in reading) Object.assign(exchange.principal, { jti: reading.token.jti, sub: reading.token.clientId })
  if (effect !== 'active' || !('token' in reading)) return exchange.answer(200, { active: false }, { effect })
  exchange.answer(200, introspectionOf(reading.token, api.configuration.issuer), { effect })
}

/** RFC 7009: a client ends its own tokens. Whatever else it names is answered alike, and stays as it is. */
async function revoke(api: TokenApi, exchange: Exchange): Promise<void> {
  const form = await readForm(exchange, { required: ['token'] })
  const { client, holder } = await authenticate(api, exchange, form.get('client_id'), offersOtherMethod(exchange, form))
  recordHolder(api, holder)
  const reading = await read(api, form)
  if (!('token' in reading)) return exchange.answer(200, undefined, { effect: `unchanged:${reading.nothing}` })
  if (reading.token.clientId !== client.clientId) {
    return exchange.answer(200, undefined, { effect: 'unchanged:other_client' })
  }
  Object.assign(exchange.principal, { jti: reading.token.jti, sub: reading.token.clientId })
  const ended = api.store.tokens.revoke({ jti: reading.token.jti }, Math.floor(Date.now() / 1000))
  exchange.answer(200, undefined, { effect: ended === 0 ? 'unchanged:over' : 'revoked' })
}

async function prove(api: TokenApi, exchange: Exchange): Promise<void> {
  const context: JsonRequest = { request: exchange.request, schema: holderSchema }
  await exchange.pass([requestJson], context)
  const { client_id: id } = context.value as z.output<typeof holderSchema>
  const { holder } = await authenticate(api, exchange, id, exchange.request.headers.authorization !== undefined)
  api.store.clients.prove(holder)
  const { clientId, x5t, notAfter, sans } = holder
  exchange.answer(200, { client_id: clientId, 'x5t#S256': x5t, notAfter, sans })
}

/** Passes when the certificate of this connection is the one that the named client must have. */
async function authenticate(
  { store }: TokenApi,
  exchange: Exchange,
  clientId: string | null,
  offersOtherMethod: boolean,
): Promise<{ client: Client; holder: Holder }> {
  const { certificate } = exchange.connection
  const client = clientId === null ? undefined : store.clients.find(clientId)
  await exchange.pass([tokenClient], { certificate, client, offersOtherMethod })
  if (client === undefined || certificate === undefined) throw new Error('a client passed without a certificate')
  exchange.principal.client_id = client.clientId
  if (client.sanDns !== undefined) exchange.principal.san = client.sanDns
  return { client, holder: holderOf(client.clientId, certificate) }
}

/** Introspection goes on while nothing can be written, so here a proof that cannot be kept is no failure. */
function recordHolder({ store }: TokenApi, holder: Holder): void {
  try {
    store.clients.proveOnce(holder)
  } catch {
    // The next call proves it again.
  }
}

async function readForm(
  exchange: Exchange,
  { repeatable = [], required = [] }: Partial<Pick<FormRequest, 'repeatable' | 'required'>>,
): Promise<URLSearchParams> {
  const context: FormRequest = { request: exchange.request, repeatable, required }
  await exchange.pass([requestForm], context)
  return context.form ?? new URLSearchParams()
}

function offersOtherMethod(exchange: Exchange, form: URLSearchParams): boolean {
  return (
    exchange.request.headers.authorization !== undefined || form.has('client_secret') || form.has('client_assertion')
  )
}

function read({ keys, store, configuration }: TokenApi, form: URLSearchParams): Promise<Reading> {
  return readToken(form.get('token') ?? '', keys, store, configuration.issuer)
}

function effectFor(client: Client, reading: Reading): string {
  if (!('token' in reading)) return `inactive:${reading.nothing}`
  const { token } = reading
  if (!token.aud.some((audience) => client.introspects.includes(audience))) return 'inactive:other_audience'
  return token.state === 'active' ? 'active' : `inactive:${token.state}`
}
