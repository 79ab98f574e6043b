import { admUrl, type EnrolmentUrl, type OfferedUrl } from '../enrolment/url.ts'
import { type BearerDeps, passGiven } from '../listeners/bearer.ts'
import { Refused } from '../listeners/exchange.ts'
import type { PublicRoute } from '../listeners/public-listener.ts'
import { admPeerCert, beginPeer, completePeer, type OfferedEnrolment, peerRoot } from '../outbound/peer-enrolment.ts'
import type { Database } from '../storage/database.ts'
import { type PeerPlace, registerPeer, revokeInboundPeer } from '../storage/inbound-peers.ts'
import { getOutboundPeer, removeOutboundPeer } from '../storage/outbound-peers.ts'
import { readKey } from '../storage/peer-keys.ts'
import { getPeer, listPeers } from '../storage/peers.ts'
import { listUsers } from '../storage/users.ts'
import { DEFAULT_LISTED, ownerIs, ownerMissing, type PeerAnswer } from '../wire/admin.ts'
import { refused } from '../wire/errors.ts'
import { type AdminCall, adminRoute, tenantFor } from './call.ts'
import type { FederationDeps } from './deps.ts'
import { admPeerRenew, admPeerUnique } from './guards.ts'
import { pageOf, peerView } from './views.ts'

export interface PeersDeps extends FederationDeps {
  readonly database: Database
  readonly bearer: BearerDeps
}

const REMOVED = 'peer_removed'

export function peerRoutes(deps: PeersDeps): PublicRoute[] {
  const { database, bearer, outbound } = deps
  const tenantOf = (call: TenantCall, id?: string) =>
    tenantFor(call, bearer, id === undefined ? [] : [{ what: 'peer', id }])
  const shown = async (tenantId: string, id: string): Promise<PeerAnswer> =>
    peerView((await getPeer(database, { tenantId, id }))!)
  return [
    adminRoute(bearer, 'peer:register', async (call) => {
      const tenantId = await tenantOf(call)
      const registered = await registerPeer(database, { tenantId, commonName: call.body.commonName })
      await call.exchange.pass([admPeerUnique], { isTaken: registered === undefined })
      return shown(tenantId, registered!.id)
    }),
    adminRoute(bearer, 'peer:list', async (call) => {
      const tenantId = await tenantOf(call)
      const { limit = DEFAULT_LISTED, cursor } = call.query
      const below = cursor && { createdAt: cursor.at, id: cursor.id }
      const found = await listPeers(database, { tenantId, limit: limit + 1, ...(below && { below }) })
      return pageOf(found.map(peerView), limit, ({ createdAt }) => createdAt)
    }),
    adminRoute(bearer, 'peer:show', async (call) => {
      const { id = '' } = call.parameters
      return shown(await tenantOf(call, id), id)
    }),
    adminRoute(bearer, 'peer:remove', async (call) => {
      const { id = '' } = call.parameters
      return remove(deps, { tenantId: await tenantOf(call, id), id })
    }),
    adminRoute(bearer, 'peer:renew', async (call) => {
      const { id = '' } = call.parameters
      const tenantId = await tenantOf(call, id)
      const peer = (await getPeer(database, { tenantId, id }))!
      await call.exchange.pass([admPeerRenew], { peer, renew: () => outbound.renew(id) })
      return shown(tenantId, id)
    }),
    adminRoute(bearer, 'peer:keypair', (call) => makeKeypair(deps, call)),
    adminRoute(bearer, 'peer:cert', async (call) => {
      const { id = '' } = call.parameters
      const tenantId = await tenantOf(call, id)
      await takeCertificate(deps, call, { tenantId, id })
      return shown(tenantId, id)
    }),
  ]
}

type TenantCall = Pick<AdminCall, 'exchange' | 'admin'> & { readonly query: { tenant?: string | undefined } }

/** Who calls us is revoked with all its grants; whom we call is gone with its keys, and its connections with it. */
async function remove({ database, outbound, wakeRevocations }: PeersDeps, { tenantId, id }: PeerPlace) {
  const revoked = await revokeInboundPeer(database, { tenantId, id, reason: REMOVED })
  if (revoked !== undefined) {
    wakeRevocations()
    return { id, direction: 'inbound', state: 'revoked' } as const
  }
  await removeOutboundPeer(database, { tenantId, id })
  outbound.removed(id)
  return { id, direction: 'outbound', state: 'removed' } as const
}

/** The first step of `peer add`: of a URL that is refused nothing is asked, and no key is made for it. */
async function makeKeypair(deps: PeersDeps, call: AdminCall<'peer:keypair'>) {
  const { database, bearer, enrolment } = deps
  const { exchange, body } = call
  const { peerId, ownerUserId: owner, caPem } = body
  const things = [
    ...(peerId === undefined ? [] : [{ what: 'peer', id: peerId } as const]),
    ...(owner === undefined ? [] : [{ what: 'user', id: owner } as const]),
  ]
  const tenantId = await tenantFor(call, bearer, things)
  const before = peerId === undefined ? undefined : await waitingPeer(database, { tenantId, id: peerId })
  if (before !== undefined) await passGiven(exchange, body, ownerIs(before.peer.ownerUserId), { isDetailed: true })
  const ownerUserId = before?.peer.ownerUserId ?? owner ?? (await onlyUser(database, call, tenantId))
  const rootOf = ({ pins }: EnrolmentUrl) => peerRoot(before === undefined ? caPem : before.peer.caPem, enrolment, pins)
  const url = await passUrl(call, (read) => {
    const root = rootOf(read)
    if (root === undefined) {
      return 'caPem, or without it the root of our own CA, is not one root certificate, or not the one that its fragment pins'
    }
    if (before === undefined) return undefined
    const isTheirs = caPem === undefined || peerRoot(caPem, enrolment, read.pins)?.raw.equals(root.raw) === true
    return isTheirs && before.peer.commonName === read.host
      ? undefined
      : 'it leads to another gateway than this peer, or to another root'
  })
  const wanted = { tenantId, ownerUserId, url, ...(caPem !== undefined && { caPem }) }
  const begun =
    before === undefined
      ? await beginPeer({ ...enrolment, database }, wanted)
      : { peerId: before.peer.id, csrPem: before.pending.csrPem }
  await exchange.pass([admPeerUnique], { isTaken: begun === undefined })
  return { ...begun!, caPem: String(rootOf(url)) }
}

const NO_STATE_FOR_IT = refused('conflict', 'peer_state')

/** One whose request waits for its answer. @throws Refused */
async function waitingPeer(database: Database, { tenantId, id }: PeerPlace) {
  const peer = await getOutboundPeer(database, { tenantId, id })
  const pending = await readKey(database, { tenantId, peerId: id, slot: 'pending' })
  if (peer?.state !== 'pending' || pending === undefined) throw new Refused(admPeerCert.id, NO_STATE_FOR_IT)
  return { peer, pending }
}

async function onlyUser(database: Database, { exchange, body }: AdminCall<'peer:keypair'>, tenantId: string) {
  const [only, ...more] = await listUsers(database, { tenantId })
  if (only !== undefined && more.length === 0) return only.id
  return (await passGiven(exchange, body, ownerMissing, { isDetailed: true })).ownerUserId
}

async function passUrl(
  { exchange, body }: AdminCall<'peer:keypair'>,
  objection: NonNullable<OfferedUrl['objection']>,
): Promise<EnrolmentUrl> {
  const offered: OfferedUrl = { enrolmentUrl: body.enrollmentUrl, objection }
  await exchange.pass([admUrl], offered, () => {
    return offered.message === undefined ? undefined : [{ path: 'enrollmentUrl', message: offered.message }]
  })
  if (offered.read === undefined) throw new Error('an enrolment URL that was not read passed its guard')
  return offered.read
}

/** The last step: what the lender has answered becomes a peer that is called. */
async function takeCertificate(
  deps: PeersDeps,
  call: AdminCall<'peer:cert'>,
  { tenantId, id }: PeerPlace,
): Promise<void> {
  const { database, bearer, enrolment, outbound } = deps
  const peer = await getOutboundPeer(database, { tenantId, id })
  if (peer === undefined) throw new Refused(admPeerCert.id, NO_STATE_FOR_IT)
  const pending = await readKey(database, { tenantId, peerId: id, slot: 'pending' })
  const offered: OfferedEnrolment = { peer, pending, answer: call.body, deps: { ...enrolment, now: bearer.now } }
  const { federationUrl } = call.body
  await call.exchange.pass([admUrl], { federationUrl, host: peer.commonName }, () => [
    {
      path: 'federationUrl',
      message: `must be https://${peer.commonName}, with a port or without, as that host has enrolled`,
    },
  ])
  await call.exchange.pass([admPeerCert], offered)
  // Of two that bring it at once, one is the first.
  if (!(await completePeer({ database }, { ...offered, tenantId }))) throw new Refused(admPeerCert.id, NO_STATE_FOR_IT)
  await outbound.enrolled(id)
}
