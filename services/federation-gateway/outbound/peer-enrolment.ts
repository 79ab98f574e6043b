import { createHash, type X509Certificate } from 'node:crypto'
import { guard } from '../../shared/guard.ts'
import { isIssuedBy } from '../../shared/peer-certificate.ts'
import { certificatesInPem } from '../certificates/pem.ts'
import type { LeafProblem } from '../enrolment/issued-leaf.ts'
import { type EnrolmentUrl, type Pins, readPins, writePins } from '../enrolment/url.ts'
import type { Keyring } from '../sealing/keyring.ts'
import { type Database, undo } from '../storage/database.ts'
import { addOutboundPeer, moveLocked, type OutboundPeer } from '../storage/outbound-peers.ts'
import { promotePending, type StoredKey, storePendingKey, type TakenCertificate } from '../storage/peer-keys.ts'
import { refused } from '../wire/errors.ts'
import { type OfferedCertificate, type PeerTrust, takeCertificate } from './peer-certificate.ts'
import { newPeerKey } from './peer-key.ts'

export interface PeerEnrolmentDeps {
  readonly database: Database
  readonly keyring: Keyring
  /** Our own common name. */
  readonly publicName: string
  /** PEM of the root of our own CA: that of a peer for which nobody names another one. */
  readonly ownRootPem: string | undefined
  readonly oids: PeerTrust['oids']
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/**
 * The root that everything of a peer must lead to: the one that is given, else our own CA's. Undefined: there is none, it is not one
 * certificate of a CA that signed itself, or it is another one than the invitation pins.
 */
export function peerRoot(
  caPem: string | null | undefined,
  { ownRootPem }: Pick<PeerEnrolmentDeps, 'ownRootPem'>,
  pins?: Pick<Pins, 'ca'>,
): X509Certificate | undefined {
  const text = caPem ?? ownRootPem
  const [root, ...more] = (text === undefined ? undefined : certificatesInPem(text)) ?? []
  if (root === undefined || more.length > 0 || !root.ca || !isIssuedBy(root, root)) return undefined
  const fingerprint = createHash('sha256').update(root.raw).digest('hex')
  return pins === undefined || pins.ca === fingerprint ? root : undefined
}

/** Stored with a peer: what the invitation pins, and nothing of its token. */
function withoutToken({ url, pins }: EnrolmentUrl): string {
  return `${new URL('/', url)}${pins === undefined ? '' : writePins(pins)}`
}

function pinsOf({ enrollmentUrl }: OutboundPeer): Pins | undefined {
  return readPins(URL.parse(enrollmentUrl ?? '')?.hash ?? '')
}

/** The first step of `peer add`: a pending peer with a sealed key, and the request to send. Undefined: its owner has one of this name. */
export function beginPeer(
  { database, keyring, publicName }: PeerEnrolmentDeps,
  peer: {
    readonly tenantId: string
    readonly ownerUserId: string
    readonly url: EnrolmentUrl
    readonly caPem?: string
  },
): Promise<{ readonly peerId: string; readonly csrPem: string } | undefined> {
  const { tenantId, ownerUserId, url, caPem = null } = peer
  return database.transaction(async (session) => {
    const stored = { tenantId, ownerUserId, commonName: url.host, enrollmentUrl: withoutToken(url), caPem }
    const added = await addOutboundPeer(session, stored)
    if (added === undefined) return undo(undefined)
    const key = await newPeerKey(keyring, { peerId: added.id, commonName: publicName })
    const { csrPem } = await storePendingKey(session, { tenantId, peerId: added.id }, key)
    return { peerId: added.id, csrPem }
  })
}

/** What the lender has answered to an enrolment, on its way to a peer that can be called. `taken` is set when it may be. */
export interface OfferedEnrolment {
  readonly peer: OutboundPeer
  /** Undefined: no request of this peer waits for an answer. */
  readonly pending: StoredKey | undefined
  readonly answer: OfferedCertificate & {
    readonly grantId: string
    readonly subjectUserId: string
    readonly federationUrl: string
  }
  readonly deps: Pick<PeerEnrolmentDeps, 'publicName' | 'ownRootPem' | 'oids' | 'now'>
  taken?: TakenCertificate
}

const REASON_OF: Readonly<Record<LeafProblem, string>> = {
  key: 'peer_cert_key',
  chain: 'peer_cert_chain',
  profile: 'peer_cert_chain',
  validity: 'peer_cert_chain',
  name: 'peer_cert_name',
  oid: 'peer_cert_oid',
}
const invalid = (reason: string) => refused('invalid_certificate', reason)

export const admPeerCert = guard<OfferedEnrolment>(
  'adm.peer-cert',
  ['peer_state', ...new Set(Object.values(REASON_OF))],
  (offered) => {
    const { peer, pending, answer, deps } = offered
    if (peer.state !== 'pending' || pending === undefined) return refused('conflict', 'peer_state')
    const pins = pinsOf(peer)
    const root = peerRoot(peer.caPem, deps, pins)
    if (root === undefined) return invalid('peer_cert_chain')
    const isPinned = pins === undefined || (pins.grant === answer.grantId && pins.subject === answer.subjectUserId)
    if (!isPinned) return invalid('peer_cert_oid')
    const { grantId, subjectUserId } = answer
    const expected = { csrPem: pending.csrPem, commonName: deps.publicName, grantId, subjectUserId }
    const judged = takeCertificate(answer, expected, { root, oids: deps.oids, now: (deps.now ?? Date.now)() })
    if (judged.problem !== undefined) return invalid(REASON_OF[judged.problem])
    offered.taken = judged.taken
    return undefined
  },
)

/** The last step, for what `adm.url` and `adm.peer-cert` let pass: the peer can be called. False: it was no longer pending. */
export function completePeer(
  { database }: Pick<PeerEnrolmentDeps, 'database'>,
  { tenantId, peer, answer, taken }: OfferedEnrolment & { readonly tenantId: string },
): Promise<boolean> {
  if (taken === undefined) throw new Error(`the certificate of peer ${peer.id} was not judged`)
  const { grantId: remoteGrantId, subjectUserId: remoteSubjectUserId } = answer
  const federationUrl = new URL(answer.federationUrl).origin
  const place = { tenantId, id: peer.id, enrolledAt: { federationUrl, remoteGrantId, remoteSubjectUserId } }
  return database.transaction(async (session) => {
    const { state } = await moveLocked(session, { ...place, event: 'enrol' })
    const promoted = state && (await promotePending(session, { tenantId, peerId: peer.id }, taken))
    return promoted === undefined ? undo(false) : true
  })
}
