import { LONGEST_TTL, makeToken } from '../enrolment/token.ts'
import { writeEnrolmentUrl } from '../enrolment/url.ts'
import type { BearerDeps, Thing } from '../listeners/bearer.ts'
import { type Exchange, Refused } from '../listeners/exchange.ts'
import type { PublicRoute } from '../listeners/public-listener.ts'
import { admScope, type OfferedScope, type Scope } from '../scope/document.ts'
import { admTransition, GRANT_TRANSITION, type GrantEvent } from '../states/grant.ts'
import type { Database } from '../storage/database.ts'
import { storeToken } from '../storage/enrolment-tokens.ts'
import { createGrant, editScope, type Grant, getGrant, listGrants, revokeGrant } from '../storage/grants.ts'
import { getPeer } from '../storage/peers.ts'
import { nativeUser, teamsOfTenant } from '../storage/rights.ts'
import { DEFAULT_LISTED } from '../wire/admin.ts'
import { type AdminCall, adminRoute, tenantFor } from './call.ts'
import type { FederationDeps } from './deps.ts'
import { admExpiry, admGrantParties, admTokenPeer } from './guards.ts'
import { grantSummary, grantView, pageOf } from './views.ts'

export interface GrantsDeps extends Pick<FederationDeps, 'publicUrl' | 'ca' | 'rateLimit' | 'wakeRevocations'> {
  readonly database: Database
  readonly bearer: BearerDeps
}

const REVOKED = 'revoked_by_administrator'

export function grantRoutes(deps: GrantsDeps): PublicRoute[] {
  const { database, bearer } = deps
  return [
    adminRoute(bearer, 'grant:create', (call) => create(deps, call)),
    adminRoute(bearer, 'grant:list', async (call) => {
      const { peer, status, limit = DEFAULT_LISTED, cursor } = call.query
      const tenantId = await tenantFor(call, bearer, peer === undefined ? [] : [{ what: 'peer', id: peer }])
      const below = cursor && { createdAt: cursor.at, id: cursor.id }
      const found = await listGrants(database, {
        ...{ tenantId, limit: limit + 1, ...(below && { below }) },
        ...(peer !== undefined && { peerId: peer }),
        ...(status !== undefined && { status }),
      })
      return pageOf(found.map(grantSummary), limit, ({ createdAt }) => createdAt)
    }),
    adminRoute(bearer, 'grant:show', async (call) => {
      const { tenantId, grant } = await grantOf(deps, call)
      return grantView(database, tenantId, grant)
    }),
    adminRoute(bearer, 'grant:scope', async (call) => {
      const { tenantId, grant } = await grantOf(deps, call)
      const scope = await passScope(call.exchange, database, { tenantId, ...call.body })
      await passTransition(call.exchange, bearer, grant, 'rescope')
      const edited = await editScope(database, { tenantId, id: grant.id, scope })
      return grantView(database, tenantId, edited ?? movedOn())
    }),
    adminRoute(bearer, 'grant:revoke', async (call) => {
      const { tenantId, grant } = await grantOf(deps, call)
      await passTransition(call.exchange, bearer, grant, 'revoke')
      const reason = call.body.reason ?? REVOKED
      const revoked = await revokeGrant(database, { tenantId, id: grant.id, reason })
      deps.wakeRevocations()
      return grantView(database, tenantId, revoked.grant ?? movedOn())
    }),
    adminRoute(bearer, 'grant:token', (call) => invite(deps, call)),
  ]
}

/** The grant that a path names. @throws Refused */
async function grantOf(
  { database, bearer }: GrantsDeps,
  call: AdminCall<'grant:show' | 'grant:scope' | 'grant:revoke' | 'grant:token'>,
  more: readonly Thing[] = [],
): Promise<{ tenantId: string; grant: Grant }> {
  const { id = '' } = call.parameters
  const tenantId = await tenantFor(call, bearer, [{ what: 'grant', id }, ...more])
  return { tenantId, grant: (await getGrant(database, { tenantId, id }))! }
}

async function create(deps: GrantsDeps, call: AdminCall<'grant:create'>) {
  const { database, bearer, rateLimit: usual } = deps
  const { exchange, body } = call
  const { peerId, subjectUserId, rateLimit = usual } = body
  const parties: Thing[] = [
    { what: 'peer', id: peerId },
    { what: 'user', id: subjectUserId },
  ]
  const tenantId = await tenantFor(call, bearer, parties)
  const passParties = async () => {
    const peer = await getPeer(database, { tenantId, id: peerId })
    const subject = await nativeUser(database, { tenantId, userId: subjectUserId })
    await exchange.pass([admGrantParties], { peer: peer!, subject: subject! })
  }
  await passParties()
  const scope = await passScope(exchange, database, { tenantId, ...body })
  const expiresAt = body.expiresAt === undefined ? null : new Date(body.expiresAt)
  await exchange.pass([admExpiry], { expiresAt: expiresAt?.getTime(), now: bearer.now() }, () => [
    { path: 'expiresAt', message: 'must be in the future' },
  ])
  const made = await createGrant(database, { tenantId, peerId, subjectUserId, scope, rateLimit, expiresAt })
  // Somebody has ended one of the two in between: who that was is for the guard to say.
  if (made === undefined) await passParties()
  return grantView(database, tenantId, made!)
}

async function passScope(
  exchange: Exchange,
  database: Database,
  given: { readonly tenantId: string; readonly scope?: unknown; readonly allowSensitive?: boolean | undefined },
): Promise<Scope> {
  const { tenantId, scope, allowSensitive = false } = given
  const offered: OfferedScope = {
    ...{ document: scope, allowSensitive },
    teamsOfTenant: (ids) => teamsOfTenant(database, { tenantId, ids }),
  }
  await exchange.pass([admScope], offered, () => offered.issues)
  if (offered.reading?.scope === undefined) throw new Error('a scope that was not read passed its guard')
  return offered.reading.scope
}

function passTransition(exchange: Exchange, { now }: BearerDeps, grant: Grant, event: GrantEvent): Promise<void> {
  return exchange.pass([admTransition], { grant, event, now: now() })
}

/** The database goes by its own clock, and by what others have done since the guard looked. */
function movedOn(): never {
  throw new Refused(admTransition.id, GRANT_TRANSITION)
}

/** The token is nowhere but in this answer. */
async function invite(deps: GrantsDeps, call: AdminCall<'grant:token'>) {
  const { database, bearer, publicUrl, ca } = deps
  const { peerId: named, ttlSeconds = LONGEST_TTL, purpose = 'enrolment' } = call.body
  const { tenantId, grant } = await grantOf(deps, call, named === undefined ? [] : [{ what: 'peer', id: named }])
  await passTransition(call.exchange, bearer, grant, purpose === 'enrolment' ? 'enrol' : 're-enrol')
  await call.exchange.pass([admTokenPeer], { named, peerId: grant.peerId })
  const made = makeToken()
  const stored = await storeToken(database, { tenantId, grantId: grant.id, purpose, ttlSeconds, made })
  const pins = { ca: ca.fingerprint, grant: grant.id, subject: grant.subjectUserId }
  return {
    token: made.token,
    enrollmentUrl: writeEnrolmentUrl(publicUrl, made.token, pins),
    expiresAt: stored!.expiresAt.toISOString(),
    caPem: ca.rootPem,
  }
}
