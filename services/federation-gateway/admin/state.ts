import type { BearerDeps } from '../listeners/bearer.ts'
import type { PublicRoute } from '../listeners/public-listener.ts'
import { readAudit } from '../storage/audit/rows.ts'
import type { Database } from '../storage/database.ts'
import { countGrants, unfinishedGrants } from '../storage/grants.ts'
import { listPeers, type Peer } from '../storage/peers.ts'
import { outboxState } from '../storage/revocation-outbox.ts'
import { DEFAULT_LISTED, type StatusAnswer } from '../wire/admin.ts'
import { type AdminCall, adminRoute, tenantFor } from './call.ts'
import type { FederationDeps, GatewayState } from './deps.ts'
import { pageOf, timeOf } from './views.ts'

export interface StateDeps extends Pick<FederationDeps, 'outbound' | 'state' | 'doctor'> {
  readonly publicName: string
  readonly database: Database
  readonly bearer: BearerDeps
}

const MOST_PEERS = 1000

export function stateRoutes(deps: StateDeps): PublicRoute[] {
  const { bearer } = deps
  return [
    adminRoute(bearer, 'status:read', async (call) => status(deps, await tenantFor(call, bearer))),
    // It looks at what is of every tenant.
    adminRoute(bearer, 'doctor:run', () => deps.doctor(), { isOperatorOnly: true }),
    adminRoute(bearer, 'audit:read', (call) => audit(deps, call)),
  ]
}

async function status(deps: StateDeps, tenantId: string): Promise<StatusAnswer> {
  const { database, state, publicName, bearer } = deps
  const [peers, grants, unfinished, revocations] = await Promise.all([
    listPeers(database, { tenantId, limit: MOST_PEERS + 1 }),
    countGrants(database, { tenantId }),
    unfinishedGrants(database, { tenantId }),
    outboxState(database, { tenantId }),
  ])
  const { failingSince, ...written } = state.audit()
  const problem = state.crlProblem() ?? null
  const answer = {
    ...{ tier: state.tier, publicName, grants },
    peers: peers.slice(0, MOST_PEERS).map((peer) => peerStatus(deps, peer)),
    unfinished: unfinished.map(({ grantId, at, reason }) => ({ grantId, at: at.toISOString(), reason })),
    revocations: { ...revocations, oldest: timeOf(revocations.oldest) },
    audit: { ...written, failingSince: timeOf(failingSince ?? null) },
    crl: crlStatus(state, bearer.now()),
  }
  const cut = peers.length > MOST_PEERS ? [`only the newest ${MOST_PEERS} peers are shown: list the others`] : []
  return { ...answer, alerts: [...alertsOf(answer, problem), ...cut] }
}

/** Null where there has been none. */
function crlStatus(state: GatewayState, now: number): StatusAnswer['crl'] {
  const list = state.crl()
  if (list === undefined) return null
  const ageSeconds = Math.max(0, Math.round((now - list.thisUpdate.getTime()) / 1000))
  return { ageSeconds, nextUpdate: list.nextUpdate.toISOString(), failure: state.crlProblem() ?? null }
}

function peerStatus({ outbound }: StateDeps, peer: Peer): StatusAnswer['peers'][number] {
  const { id, direction, commonName, state, stateReason, lastFailureReason } = peer
  const health = direction === 'outbound' ? outbound.health(id) : undefined
  const ends = peer.certificates.filter(
    (one) => one.state === 'current' || one.state === 'active' || one.state === 'issued',
  )
  const last = ends.map(({ notAfter }) => notAfter).toSorted((one, other) => other.getTime() - one.getTime())[0]
  return {
    ...{ id, direction, commonName, state, stateReason, lastFailureReason },
    certificateExpiresAt: timeOf(last ?? null),
    ...{ lastSuccessAt: timeOf(peer.lastSuccessAt), lastFailureAt: timeOf(peer.lastFailureAt) },
    ...{ circuit: health?.circuit ?? null, renewal: health?.renewal ?? null, alerts: [...(health?.alerts ?? [])] },
  }
}

/** What somebody should look at, one line each. */
function alertsOf(
  { peers, unfinished, revocations, audit: written }: Omit<StatusAnswer, 'alerts'>,
  crlProblem: string | null,
): string[] {
  const { queued, lastFailure } = revocations
  return [
    ...peers.flatMap(({ commonName, alerts }) => alerts.map((alert) => `peer ${commonName}: ${alert}`)),
    ...unfinished.map(
      ({ grantId, reason }) => `grant ${grantId} has no certificate (${reason}): make a new token for it`,
    ),
    ...(queued > 0 && lastFailure !== null ? [`the CA has not heard of ${queued} revocations: ${lastFailure}`] : []),
    ...(written.failingSince === null ? [] : [`rows of the audit cannot be stored since ${written.failingSince}`]),
    ...(crlProblem === null ? [] : [`no peer is let in: ${crlProblem}`]),
  ]
}

/** An operator who says no tenant reads all rows: those, too, that are of none, as nobody knew what they asked for. */
async function audit({ database, bearer }: StateDeps, call: AdminCall<'audit:read'>) {
  const { tenant, grant, peer, since, limit = DEFAULT_LISTED, cursor } = call.query
  const things = [
    ...(grant === undefined ? [] : [{ what: 'grant', id: grant } as const]),
    ...(peer === undefined ? [] : [{ what: 'peer', id: peer } as const]),
  ]
  const isOfAll = call.admin.kind === 'operator' && tenant === undefined && things.length === 0
  const tenantId = isOfAll ? undefined : await tenantFor(call, bearer, things)
  const found = await readAudit(database, {
    ...{ limit: limit + 1, ...(tenantId !== undefined && { tenantId }) },
    ...{ ...(grant !== undefined && { grantId: grant }), ...(peer !== undefined && { peerId: peer }) },
    ...{ ...(since !== undefined && { since }), ...(cursor && { below: cursor }) },
  })
  return pageOf(found, limit, ({ at }) => at)
}
