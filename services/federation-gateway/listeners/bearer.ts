import type { IncomingMessage } from 'node:http'
import type { z } from 'zod'
import { type Carrier, carrierOf } from '../../shared/bearer.ts'
import { guard } from '../../shared/guard.ts'
import { hashOfToken } from '../enrolment/token.ts'
import { isUuid } from '../ids.ts'
import { type Bearer, findBearer } from '../storage/bearer-tokens.ts'
import type { Database, Session } from '../storage/database.ts'
import { type Named, type Whose, whoseIs } from '../storage/ownership.ts'
import { type NativeUser, nativeUser } from '../storage/rights.ts'
import { type ErrorCode, type Issue, refused } from '../wire/errors.ts'
import { issuesOf } from '../wire/issues.ts'
import { type Exchange, Refused } from './exchange.ts'
import { readBody } from './guards.ts'
import { apiRate, countFailure, type RateLimit } from './rate-limits.ts'

// What the routes for administrators and for users demand before they do anything, in this order: api.rate, api.carrier, api.token,
// api.role or api.user, api.body, api.tenant.

/** What these guards need. One for all routes of a gateway: failures of an address count together. */
export interface BearerDeps {
  readonly session: Pick<Database, 'patiently'>
  /** Failed authentications, by address. */
  readonly failures: RateLimit
  /** So many of one address in 60 s. */
  readonly mostFailures: number
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** An administrator: an operator for all tenants, or one for a single one. */
export type Admin =
  | { readonly kind: 'operator'; readonly id: string }
  | { readonly kind: 'tenant'; readonly id: string; readonly tenantId: string }

/** A user of this gateway, and what it may do natively at this request. `id`: of the token, which is the session. */
export interface SignedIn extends NativeUser {
  readonly id: string
  readonly tenantId: string
  readonly userId: string
}

/** A request on its way to having an author. `bearer` is set when it has one. */
export interface Attempt {
  readonly request: Pick<IncomingMessage, 'rawHeaders' | 'url'>
  readonly wanted: 'admin' | 'user'
  readonly find: (sha256: string) => Promise<Bearer | undefined>
  readonly now: number
  carrier?: Carrier
  bearer?: Bearer
}

/** RFC 6750 section 2: one header, and no other place. A member of a JSON body is none of any schema. */
export const apiCarrier = guard<Attempt>('api.carrier', ['carrier_invalid'], (attempt) => {
  attempt.carrier = carrierOf(attempt.request)
  const isInvalid = attempt.carrier.token === undefined && attempt.carrier.problem === 'token_carrier_invalid'
  return isInvalid ? refused('invalid_request', 'carrier_invalid') : undefined
})

/** RFC 6750 section 3.1: who presents nothing is told no error. */
export const apiToken = guard<Attempt>(
  'api.token',
  ['bearer_missing', 'bearer_unknown', 'bearer_expired', 'bearer_withdrawn', 'bearer_wrong_kind'],
  async (attempt) => {
    const token = attempt.carrier?.token
    if (token === undefined) return refused('unauthorized', 'bearer_missing')
    const bearer = await attempt.find(hashOfToken(token))
    if (bearer === undefined) return refused('invalid_token', 'bearer_unknown')
    const { expiresAt, withdrawnAt, kind } = bearer
    if (expiresAt !== null && expiresAt.getTime() <= attempt.now) return refused('invalid_token', 'bearer_expired')
    if (withdrawnAt !== null) return refused('invalid_token', 'bearer_withdrawn')
    if ((kind === 'user') !== (attempt.wanted === 'user')) return refused('invalid_token', 'bearer_wrong_kind')
    attempt.bearer = bearer
    return undefined
  },
)

export const apiRole = guard<{ admin: Admin }>('api.role', ['operator_only'], ({ admin }) =>
  admin.kind === 'operator' ? undefined : refused('forbidden', 'operator_only'),
)

/** Tokens of users that were deleted are withdrawn; one that is deleted at this moment is out of use all the same. */
export const apiUser = guard<{ user: NativeUser | undefined }>('api.user', ['user_disabled'], ({ user }) =>
  user === undefined || user.isDisabled || user.isDeleted ? refused('forbidden', 'user_disabled') : undefined,
)

/** By which one request asks the database, and waits for it no longer than any other does. */
export function sessionFor({ patience }: Exchange, { session }: Pick<BearerDeps, 'session'>): Session {
  return session.patiently(patience)
}

/** An administrator of this gateway. @throws Refused */
export async function passAdmin(
  exchange: Exchange,
  deps: BearerDeps,
  { isOperatorOnly = false }: { isOperatorOnly?: boolean } = {},
): Promise<Admin> {
  const bearer = await passBearer(exchange, deps, 'admin')
  exchange.principal.adminId = bearer.id
  if (bearer.kind === 'user') throw new Error('a token of a user passed for one of an administrator')
  const { id } = bearer
  const admin: Admin =
    bearer.kind === 'operator' ? { kind: 'operator', id } : { kind: 'tenant', id, tenantId: bearer.tenantId }
  if (isOperatorOnly) await exchange.pass([apiRole], { admin })
  return admin
}

/** A user of this gateway. @throws Refused */
export async function passUser(exchange: Exchange, deps: BearerDeps): Promise<SignedIn> {
  const bearer = await passBearer(exchange, deps, 'user')
  if (bearer.kind !== 'user') throw new Error('a token of an administrator passed for one of a user')
  const { id, tenantId, userId } = bearer
  exchange.principal.userId = userId
  const user = await nativeUser(sessionFor(exchange, deps), { tenantId, userId })
  await exchange.pass([apiUser], { user })
  if (user === undefined) throw new Error(`the user ${userId} of a token is not there`)
  return { ...user, id, tenantId, userId }
}

/**
 * Failures count once they are known, so that those that come at once are looked at again: of one address no more than the limit are
 * answered by what is wrong with their tokens.
 */
async function passBearer(exchange: Exchange, deps: BearerDeps, wanted: Attempt['wanted']): Promise<Bearer> {
  const { failures: limit, mostFailures: most, now } = deps
  const counted = { limit, address: exchange.request.socket.remoteAddress ?? '', most }
  await exchange.pass([apiRate], counted)
  const find = (sha256: string) => findBearer(sessionFor(exchange, deps), sha256)
  const attempt: Attempt = { request: exchange.request, wanted, find, now: now() }
  await exchange.pass([apiCarrier], attempt)
  try {
    await exchange.pass([apiToken], attempt)
  } catch (failure) {
    if (!(failure instanceof Refused) || attempt.carrier?.token === undefined) throw failure
    await exchange.pass([apiRate], counted)
    countFailure(counted)
    throw failure
  }
  if (attempt.bearer === undefined) throw new Error('a request without a token passed for one with it')
  return attempt.bearer
}

/** A body, or the query of a URL, on its way; `value` is set when it passed, `issues` when its members did not. */
export interface Sent {
  /** Undefined where `given` stands for it. */
  readonly request?: IncomingMessage
  readonly given?: unknown
  readonly largest: number
  readonly schema: z.ZodType
  /** Whether none at all counts as `{}`. */
  readonly mayBeAbsent?: boolean
  value?: unknown
  issues?: readonly Issue[]
}

const BODY_REASONS: Readonly<Record<string, readonly [code: ErrorCode, reason: string]>> = {
  content_type: ['unsupported_media_type', 'api_content_type'],
  body_too_large: ['payload_too_large', 'api_too_large'],
}

/** The one member with a reason of its own: for how many seconds a token of enrolment is good. */
const TTL = 'ttlSeconds'

export const apiBody = guard<Sent>(
  'api.body',
  ['api_body', 'token_ttl', 'api_too_large', 'api_content_type'],
  async (sent) => {
    const { request, given, largest, schema, mayBeAbsent = false } = sent
    const read = request === undefined ? { value: given } : await readBody({ request, largest, mayBeAbsent })
    if (read.refusal !== undefined) {
      const [code, reason] = BODY_REASONS[read.refusal.reason] ?? ['invalid_request', 'api_body']
      return refused(code, reason)
    }
    const checked = schema.safeParse(read.value)
    if (checked.success) {
      sent.value = checked.data
      return undefined
    }
    sent.issues = issuesOf(checked.error)
    const isTtl = sent.issues.every(({ path }) => path === TTL)
    return refused('invalid_request', isTtl ? 'token_ttl' : 'api_body')
  },
)

export interface BodyOptions {
  readonly largest: number
  readonly mayBeAbsent?: boolean
  /** Whether the caller is told what is wrong with which member. */
  readonly isDetailed?: boolean
}

/** The body of a request, as its schema has read it. @throws Refused */
export function passBody<Value>(
  exchange: Exchange,
  schema: z.ZodType<Value>,
  { largest, mayBeAbsent = false, isDetailed = false }: BodyOptions,
): Promise<Value> {
  return passSent(exchange, { request: exchange.request, largest, schema, mayBeAbsent }, isDetailed)
}

/** The query of its URL: each parameter once. @throws Refused */
export function passQuery<Value>(
  exchange: Exchange,
  schema: z.ZodType<Value>,
  { isDetailed = false }: { isDetailed?: boolean } = {},
): Promise<Value> {
  const { searchParams } = new URL(exchange.request.url ?? '/', 'https://host')
  // A parameter that is there twice is a list to the schema, which takes none.
  const given = Object.fromEntries(
    [...searchParams.keys()].map((name) => {
      const all = searchParams.getAll(name)
      return [name, all.length === 1 ? all[0] : all]
    }),
  )
  return passGiven(exchange, given, schema, { isDetailed })
}

/** What was read already, by what else it must be. @throws Refused */
export function passGiven<Value>(
  exchange: Exchange,
  given: unknown,
  schema: z.ZodType<Value>,
  { isDetailed = false }: { isDetailed?: boolean } = {},
): Promise<Value> {
  return passSent(exchange, { given, largest: 0, schema }, isDetailed)
}

async function passSent<Value>(exchange: Exchange, sent: Sent, isDetailed: boolean): Promise<Value> {
  await exchange.pass([apiBody], sent, () => (isDetailed ? sent.issues : undefined))
  return sent.value as Value
}

/** A thing that a request names: in its path, its query or its body. */
export interface Thing {
  readonly what: Named
  readonly id: string
}

/** Reasons tell apart what the caller cannot: what is of another tenant, and what is not there. */
export const apiTenant = guard<{ things: readonly Thing[]; whose: (thing: Thing) => Promise<Whose> }>(
  'api.tenant',
  ['object_absent', 'object_other_tenant'],
  async ({ things, whose }) => {
    for (const thing of things) {
      // What is no UUID names nothing.
      const found = isUuid(thing.id) ? await whose(thing) : 'absent'
      if (found !== 'own') return refused('not_found', found === 'other' ? 'object_other_tenant' : 'object_absent')
    }
    return undefined
  },
)

/** All of these are of this tenant. @throws Refused */
export function passTenant(
  exchange: Exchange,
  session: Session,
  { tenantId, things }: { tenantId: string; things: readonly Thing[] },
): Promise<void> {
  return exchange.pass([apiTenant], { things, whose: (thing) => whoseIs(session, { tenantId, ...thing }) })
}
