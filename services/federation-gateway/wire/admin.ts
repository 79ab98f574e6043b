import { z } from 'zod'
import { LONGEST_TTL, PURPOSES } from '../enrolment/token.ts'
import { isCommonName, isUuid } from '../ids.ts'
import type { Method } from '../listeners/routes.ts'
import { RESOURCES } from '../scope/resources.ts'
import { GRANT_STATUSES } from '../states/grant.ts'
import { LEAF_STATUSES } from '../states/leaf.ts'
import { OUTBOUND_STATUSES } from '../states/peers.ts'
import { doctorReportSchema } from './doctor.ts'
import { isInstant } from './instant.ts'
import { instant, uuid } from './requests.ts'

// What administrators send, and what they are answered: one source for the routes, the command line and whoever else calls. An unknown
// member is refused on both sides.

const commonName = z.string().refine(isCommonName, {
  message: 'must be a DNS name in lower case, with two labels or more, of at most 64 characters',
})
/** PostgreSQL has no NUL in a text. */
const text = (longest: number) =>
  z
    .string()
    .min(1)
    .max(longest)
    .refine((value) => value.isWellFormed() && !value.includes('\0'), { message: 'must be plain text without NUL' })
const resource = z.enum(RESOURCES)
/** A time of ours: to the millisecond, or to the microsecond where rows are ordered by it. */
const time = z.iso.datetime()
const x5t = z.string().regex(/^[A-Za-z0-9_-]{43}$/)
const serial = z.string().regex(/^[1-9a-f][0-9a-f]{0,39}$/)
const none = z.strictObject({})

const LONGEST_URL = 2048
const LONGEST_PEM = 16 * 1024
const LONGEST_CHAIN = 64 * 1024
const MOST_LISTED = 1000
export const DEFAULT_LISTED = 100
const YEAR_SECONDS = 366 * 24 * 3600

// Queries of URLs. An operator, who is for all tenants, may say which one is meant, by id or by name.

const tenant = { tenant: text(200).optional() }
const page = {
  limit: z
    .string()
    .regex(/^[1-9][0-9]{0,3}$/, 'must be a whole number from 1 on')
    .transform(Number)
    .refine((limit) => limit <= MOST_LISTED, { message: `must be at most ${MOST_LISTED}` })
    .optional(),
  /** `nextCursor` of the answer before. */
  cursor: z
    .string()
    .transform((value, context) => {
      const [at = '', id = '', ...more] = value.split('_')
      if (more.length === 0 && isInstant(at) && isUuid(id)) return { at, id }
      context.addIssue({ code: 'custom', message: 'must be nextCursor of the answer before' })
      return z.NEVER
    })
    .optional(),
}

/** Lists are in the order of their time, the newest first. */
export function listCursor({ at, id }: { at: string; id: string }): string {
  return `${at}_${id}`
}

/** For an operator who has named neither a tenant nor anything that is of one. */
export const tenantMissing = z.looseObject({
  tenant: z.string({ error: 'there is not just one: name it by its id or its name' }),
})

/** For whoever goes on with a peer, and names another owner of it. */
export const ownerIs = (id: string) =>
  z.looseObject({ ownerUserId: z.literal(id, { error: 'is not the owner of this peer' }).optional() })

/** For whoever has named no owner of a peer where there is not just one user. */
export const ownerMissing = z.looseObject({
  ownerUserId: z.string({ error: 'there is not just one user: name who may ask by this peer' }),
})

const tenantQuery = z.strictObject(tenant)
const pageQuery = z.strictObject({ ...tenant, ...page })
const grantsQuery = z.strictObject({
  ...tenant,
  ...page,
  peer: uuid.optional(),
  status: z.enum(GRANT_STATUSES).optional(),
})
const auditQuery = z.strictObject({
  ...tenant,
  ...page,
  grant: uuid.optional(),
  peer: uuid.optional(),
  since: instant.optional(),
})

const listOf = <Item extends z.ZodType>(item: Item) =>
  z.strictObject({ items: z.array(item), nextCursor: z.string().nullable() })

// Peers.

/** A certificate, by what is public of it. `state`: of one that we gave, its status; of one that we hold, its slot. */
const certificate = z.strictObject({
  'x5t#S256': x5t,
  serial,
  state: z.enum([...LEAF_STATUSES, 'current', 'previous']),
  notAfter: time,
  /** At the lender. */
  grantId: uuid.optional(),
})
export type ListedCertificate = z.infer<typeof certificate>

const peer = z.strictObject({
  id: uuid,
  direction: z.enum(['inbound', 'outbound']),
  commonName,
  /** An inbound one is pending, active or revoked. */
  state: z.enum(OUTBOUND_STATUSES),
  stateReason: z.string().nullable(),
  createdAt: time,
  /** Of an outbound one only, as are all that follow but the certificates. */
  ownerUserId: uuid.nullable(),
  federationUrl: z.string().nullable(),
  remoteGrantId: uuid.nullable(),
  remoteSubjectUserId: uuid.nullable(),
  lastSuccessAt: time.nullable(),
  lastFailureAt: time.nullable(),
  lastFailureReason: z.string().nullable(),
  certificates: z.array(certificate),
})
export type PeerAnswer = z.infer<typeof peer>

const registerPeer = z.strictObject({ commonName })

/**
 * `peerId`: goes on with one that is pending: its request was not sent, or the answer never came. It has its owner and its root already:
 * who names them all the same names those. Else `ownerUserId` may be left out where the tenant has one user, and `caPem` where the lender
 * has our own CA.
 */
const keypair = z.strictObject({
  enrollmentUrl: z.string().min(1).max(LONGEST_URL),
  ownerUserId: uuid.optional(),
  caPem: z.string().min(1).max(LONGEST_PEM).optional(),
  peerId: uuid.optional(),
})
/** `caPem`: the root that lender and certificate must lead to. */
const keypairAnswer = z.strictObject({ peerId: uuid, csrPem: z.string(), caPem: z.string() })

const peerCert = z.strictObject({
  certPem: z.string().min(1).max(LONGEST_PEM),
  certChainPem: z.string().min(1).max(LONGEST_CHAIN),
  grantId: uuid,
  subjectUserId: uuid,
  federationUrl: z.string().min(1).max(LONGEST_URL),
})

/** An inbound peer is revoked with all its grants, an outbound one is gone with its keys. */
const removedPeer = z.strictObject({
  id: uuid,
  direction: z.enum(['inbound', 'outbound']),
  state: z.enum(['revoked', 'removed']),
})

// Grants.

const scope = z.strictObject({
  resources: z.array(resource),
  excluded_resources: z.array(resource),
  max_rows_per_query: z.int(),
  filters: z.partialRecord(
    resource,
    z.strictObject({ include_teams: z.array(uuid).optional(), include_personal: z.boolean().optional() }),
  ),
})

const grantMembers = {
  id: uuid,
  peerId: uuid,
  subjectUserId: uuid,
  scope,
  status: z.enum(GRANT_STATUSES),
  epoch: z.int(),
  /** Requests in 60 s. */
  rateLimit: z.int(),
  expiresAt: time.nullable(),
  createdAt: time,
  activatedAt: time.nullable(),
  endedAt: time.nullable(),
  endReason: z.string().nullable(),
  certificateRevocation: z.enum(['none', 'queued', 'effective']),
}
const grantSummary = z.strictObject(grantMembers)
export type GrantSummary = z.infer<typeof grantSummary>

const grant = z.strictObject({
  ...grantMembers,
  /** What the scope comes to for its subject as things are now. */
  effectiveScope: z.string(),
  warnings: z.array(z.string()),
  certificates: z.array(certificate),
})
export type GrantAnswer = z.infer<typeof grant>

/** The scope is judged by itself: all that is wrong with it is told with 422. */
const createGrant = z.strictObject({
  peerId: uuid,
  subjectUserId: uuid,
  scope: z.unknown(),
  expiresAt: instant.optional(),
  rateLimit: z.int().min(1).max(6_000).optional(),
  allowSensitive: z.boolean().optional(),
})
const editScope = z.strictObject({ scope: z.unknown(), allowSensitive: z.boolean().optional() })
const revokeGrant = z.strictObject({ reason: text(200).optional() })

const createToken = z.strictObject({
  peerId: uuid.optional(),
  ttlSeconds: z.int().min(1).max(LONGEST_TTL).optional(),
  purpose: z.enum(PURPOSES).optional(),
})
/** Shown once. With `caPem` it is an invitation: whoever has it needs to be told nothing else. */
const tokenAnswer = z.strictObject({ token: z.string(), enrollmentUrl: z.string(), expiresAt: time, caPem: z.string() })
export type Invitation = z.infer<typeof tokenAnswer>

// Status and audit.

const peerStatus = z.strictObject({
  ...{ id: uuid, direction: z.enum(['inbound', 'outbound']), commonName, state: z.enum(OUTBOUND_STATUSES) },
  stateReason: z.string().nullable(),
  /** When the certificate in use runs out. */
  certificateExpiresAt: time.nullable(),
  ...{ lastSuccessAt: time.nullable(), lastFailureAt: time.nullable(), lastFailureReason: z.string().nullable() },
  /** Of outbound peers that this process calls. */
  circuit: z.enum(['closed', 'open', 'half-open']).nullable(),
  renewal: z
    .strictObject({ nextAt: time.nullable(), failures: z.int(), lastFailure: z.string().nullable() })
    .nullable(),
  alerts: z.array(z.string()),
})

const status = z.strictObject({
  tier: z.string(),
  publicName: z.string(),
  peers: z.array(peerStatus),
  grants: z.record(z.enum(GRANT_STATUSES), z.int()),
  /** Grants that wait for a new token: the last one was used, and no certificate came of it. */
  unfinished: z.array(z.strictObject({ grantId: uuid, at: time, reason: z.string() })),
  revocations: z.strictObject({ queued: z.int(), oldest: time.nullable(), lastFailure: z.string().nullable() }),
  audit: z.strictObject({
    ...{ queued: z.int(), stored: z.int(), dropped: z.int(), refilled: z.int(), rejected: z.int() },
    ...{ isBehind: z.boolean(), failingSince: time.nullable() },
  }),
  /** Of the list of revoked certificates in use, and why nobody can be let in by it. */
  crl: z.strictObject({ ageSeconds: z.number(), nextUpdate: time, failure: z.string().nullable() }).nullable(),
  alerts: z.array(z.string()),
})
export type StatusAnswer = z.infer<typeof status>

const auditEntry = z.strictObject({
  ...{ id: uuid, at: time, requestId: z.string(), direction: z.enum(['inbound', 'outbound']), verb: z.string() },
  ...{ resource: z.string().nullable(), queryHash: z.string().nullable() },
  outcome: z.enum(['allowed', 'denied', 'error', 'aborted', 'failed']),
  ...{ status: z.int().nullable(), reason: z.string().nullable(), tenantId: uuid.nullable() },
  ...{ grantId: uuid.nullable(), peerId: uuid.nullable(), subjectUserId: uuid.nullable() },
  ...{ certSerial: z.string().nullable(), rowsOut: z.int().nullable(), bytesOut: z.int().nullable() },
  ...{ latencyMs: z.number().nullable(), traceId: z.string().nullable(), archived: z.boolean() },
})

// Users, and tokens of users and administrators.

const user = z.strictObject({ id: uuid, name: z.string(), displayName: z.string(), isDisabled: z.boolean() })
export type UserAnswer = z.infer<typeof user>
const createUser = z.strictObject({
  name: text(200),
  displayName: text(200).optional(),
  email: text(320).optional(),
})
const changeUser = z
  .strictObject({
    isDisabled: z.boolean().optional(),
    sharePersonal: z.boolean().optional(),
    deniedResources: z.array(resource).max(RESOURCES.length).optional(),
  })
  .refine((change) => Object.keys(change).length > 0, { message: 'must change something' })
/** Its peers are gone with it. */
const deletedUser = z.strictObject({ id: uuid, removedPeers: z.array(uuid) })

const lifetimeSeconds = z.int().min(1).max(YEAR_SECONDS).optional()
const createUserToken = z.strictObject({ lifetimeSeconds })
/** For all tenants where none is named. */
const createAdminToken = z.strictObject({ name: text(200), tenantId: uuid.optional(), lifetimeSeconds })
/** Shown once. */
const bearerAnswer = z.strictObject({ id: uuid, token: z.string(), expiresAt: time.nullable() })
const withdrawn = z.strictObject({ id: uuid, withdrawn: z.literal(true) })

/** One route: where it is, what it takes and what it answers with. */
export interface AdminRoute {
  readonly method: Method
  readonly path: string
  readonly query: z.ZodType
  /** Absent: it takes none. */
  readonly body?: z.ZodType
  /** `{}` may be left out. */
  readonly bodyMayBeAbsent?: boolean
  readonly status: number
  readonly answer: z.ZodType
}

const FEDERATION = '/api/admin/federation'
const [peers, grants] = [`${FEDERATION}/peers`, `${FEDERATION}/grants`]
const [users, tokens] = ['/api/admin/users', '/api/admin/tokens']
const optional = { bodyMayBeAbsent: true } as const

export const ADMIN_ROUTES = {
  'peer:register': {
    ...{ method: 'POST', path: peers, query: tenantQuery, body: registerPeer, status: 201, answer: peer },
  },
  'peer:list': { method: 'GET', path: peers, query: pageQuery, status: 200, answer: listOf(peer) },
  'peer:show': { method: 'GET', path: `${peers}/:id`, query: tenantQuery, status: 200, answer: peer },
  'peer:remove': { method: 'DELETE', path: `${peers}/:id`, query: tenantQuery, status: 200, answer: removedPeer },
  'peer:renew': {
    ...{ method: 'POST', path: `${peers}/:id/renew`, query: tenantQuery, body: none, ...optional },
    ...{ status: 200, answer: peer },
  },
  'peer:keypair': {
    ...{ method: 'POST', path: `${peers}/keypair`, query: tenantQuery, body: keypair },
    ...{ status: 201, answer: keypairAnswer },
  },
  'peer:cert': {
    ...{ method: 'PATCH', path: `${peers}/:id/cert`, query: tenantQuery, body: peerCert, status: 200, answer: peer },
  },
  'grant:create': {
    ...{ method: 'POST', path: grants, query: tenantQuery, body: createGrant, status: 201, answer: grant },
  },
  'grant:list': { method: 'GET', path: grants, query: grantsQuery, status: 200, answer: listOf(grantSummary) },
  'grant:show': { method: 'GET', path: `${grants}/:id`, query: tenantQuery, status: 200, answer: grant },
  'grant:scope': {
    ...{ method: 'PATCH', path: `${grants}/:id/scope`, query: tenantQuery, body: editScope },
    ...{ status: 200, answer: grant },
  },
  'grant:revoke': {
    ...{ method: 'PATCH', path: `${grants}/:id/revoke`, query: tenantQuery, body: revokeGrant, ...optional },
    ...{ status: 200, answer: grant },
  },
  'grant:token': {
    ...{ method: 'POST', path: `${grants}/:id/tokens`, query: tenantQuery, body: createToken, ...optional },
    ...{ status: 201, answer: tokenAnswer },
  },
  'status:read': { method: 'GET', path: `${FEDERATION}/status`, query: tenantQuery, status: 200, answer: status },
  'doctor:run': { method: 'GET', path: `${FEDERATION}/doctor`, query: none, status: 200, answer: doctorReportSchema },
  'audit:read': {
    ...{ method: 'GET', path: `${FEDERATION}/audit`, query: auditQuery, status: 200, answer: listOf(auditEntry) },
  },
  'user:create': {
    ...{ method: 'POST', path: users, query: tenantQuery, body: createUser, status: 201, answer: user },
  },
  'user:list': {
    ...{ method: 'GET', path: users, query: tenantQuery, status: 200 },
    answer: z.strictObject({ items: z.array(user) }),
  },
  'user:change': {
    ...{ method: 'PATCH', path: `${users}/:id`, query: tenantQuery, body: changeUser, status: 200, answer: user },
  },
  'user:delete': { method: 'DELETE', path: `${users}/:id`, query: tenantQuery, status: 200, answer: deletedUser },
  'user:token': {
    ...{ method: 'POST', path: `${users}/:id/tokens`, query: tenantQuery, body: createUserToken, ...optional },
    ...{ status: 201, answer: bearerAnswer },
  },
  'user:withdraw': {
    ...{ method: 'DELETE', path: `${users}/:id/tokens/:token`, query: tenantQuery, status: 200, answer: withdrawn },
  },
  'admin:token': {
    ...{ method: 'POST', path: tokens, query: none, body: createAdminToken, status: 201, answer: bearerAnswer },
  },
  'admin:withdraw': { method: 'DELETE', path: `${tokens}/:id`, query: none, status: 200, answer: withdrawn },
} as const satisfies Record<string, AdminRoute>

/** Also the action of its decision records. */
export type AdminAction = keyof typeof ADMIN_ROUTES
type Routes = typeof ADMIN_ROUTES

/** As a caller writes it. */
export type AdminBody<Action extends AdminAction> = Routes[Action] extends { body: z.ZodType }
  ? z.input<Routes[Action]['body']>
  : undefined
export type AdminQuery<Action extends AdminAction> = z.input<Routes[Action]['query']>
export type AdminAnswer<Action extends AdminAction> = z.output<Routes[Action]['answer']>

/** The path of a route, and what is behind it: `adminPath('grant:list', {}, { status: 'active' })`. */
export function adminPath<Action extends AdminAction>(
  action: Action,
  parameters: Readonly<Record<string, string>> = {},
  query: AdminQuery<Action> | object = {},
): string {
  const path = ADMIN_ROUTES[action].path.replaceAll(/:([a-z]+)/g, (_, name: string) => {
    const value = parameters[name]
    if (value === undefined) throw new Error(`the path of ${action} needs ${name}`)
    return encodeURIComponent(value)
  })
  const search = new URLSearchParams(Object.entries(query as Record<string, string>))
  return search.size === 0 ? path : `${path}?${search}`
}
