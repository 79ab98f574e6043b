import { randomBytes } from 'node:crypto'
import type { Decision } from '../../shared/decision-log.ts'
import { readCsr } from '../enrolment/csr.ts'
import { takeCertificate } from '../outbound/peer-certificate.ts'
import { newPeerKey } from '../outbound/peer-key.ts'
import type { OutboundPeersDeps } from '../outbound/peers.ts'
import { Keyring } from '../sealing/keyring.ts'
import type { AuditRow } from '../storage/audit/rows.ts'
import type { Database } from '../storage/database.ts'
import { addOutboundPeer, moveLocked } from '../storage/outbound-peers.ts'
import { promotePending, storePendingKey } from '../storage/peer-keys.ts'
import { GRANT, type LeafChanges, OIDS, PEER, POINT, SUBJECT, sha256, type TestCa, x509 } from './certificates.ts'
import { ManualClock } from './clock.ts'

// An asking gateway without its listeners: what its outbound peers need, and peers that were enrolled.

export interface Asking {
  readonly deps: OutboundPeersDeps & { readonly clock: ManualClock }
  readonly decisions: Decision[]
  readonly rows: AuditRow[]
  readonly events: { event: string; fields: Readonly<Record<string, unknown>> }[]
  readonly log: { isFull: boolean }
}

export function makeAsking(database: Database, changes: Partial<OutboundPeersDeps> = {}): Asking {
  const [decisions, rows, events]: [Decision[], AuditRow[], Asking['events']] = [[], [], []]
  const log = { isFull: false }
  const say = (event: string, fields = {}) => void events.push({ event, fields })
  const deps = {
    ...{ database, publicName: PEER, ownRootPem: undefined, oids: OIDS, random: () => 0.5, clock: new ManualClock() },
    keyring: new Keyring({ secret: 'secret of these tests, long enough', salt: randomBytes(32) }),
    decisions: {
      record(decision: Decision) {
        if (log.isFull) throw new Error('no space left on device')
        decisions.push(decision)
      },
    },
    audit: { open: () => ({ settle: (row: AuditRow) => void rows.push(row), cancel() {} }) },
    log: { info: say, warn: say, error: say },
    settings: {
      deadlineMs: 10_000,
      cache: { seconds: 30, bytes: 1_000_000 },
      breaker: { failures: 5, coolDownSeconds: 30 },
    },
    ...changes,
  }
  return { deps: deps as Asking['deps'], decisions, rows, events, log }
}

/** What a lender's CA makes of a request of ours. */
export async function certify(csrPem: string, ca: TestCa, changes: LeafChanges = {}) {
  const csr = readCsr(csrPem)
  if (typeof csr === 'string') throw new Error(csr)
  const publicKey = csr.publicKey.toCryptoKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['verify'])
  const more = [new x509.CRLDistributionPointsExtension([POINT])]
  const certificate = await ca.issue({ ...timesAt(Date.now()), keys: { publicKey } as never, more, ...changes })
  return { certificate, certPem: String(certificate), certChainPem: `${certificate}${ca.certificate}` }
}

function timesAt(now: number) {
  return { notBefore: new Date(now - 60_000), notAfter: new Date(now + 300_000) }
}

export interface EnrolledPeer {
  readonly tenantId: string
  readonly ownerUserId: string
  readonly commonName: string
  readonly federationUrl: string
  /** Where its mirror of the list of revoked certificates is. */
  readonly publicUrl?: string
  readonly root: TestCa
  readonly ca: TestCa
  readonly leaf?: LeafChanges
}

/** A peer as `peer add` leaves it. */
export async function enrol({ deps }: Pick<Asking, 'deps'>, peer: EnrolledPeer): Promise<{ id: string; x5t: string }> {
  const { tenantId, ownerUserId, commonName, federationUrl, publicUrl = federationUrl, root, ca, leaf } = peer
  const { database, keyring } = deps
  const added = (await addOutboundPeer(database, {
    ...{ tenantId, ownerUserId, commonName, enrollmentUrl: `${publicUrl}/`, caPem: String(root.certificate) },
  }))!
  const key = await newPeerKey(keyring, { peerId: added.id, commonName: PEER })
  await storePendingKey(database, { tenantId, peerId: added.id }, key)
  // By the clock that tests set: it stands still, however long this took so far.
  const offered = await certify(key.csrPem, ca, { ...timesAt(deps.clock.now()), ...leaf })
  const expected = { csrPem: key.csrPem, commonName: PEER, grantId: GRANT, subjectUserId: SUBJECT }
  const now = offered.certificate.validToDate.getTime() - 1
  const { taken } = takeCertificate(offered, expected, { root: root.certificate, oids: OIDS, now }) as never as {
    taken: Parameters<typeof promotePending>[2]
  }
  const enrolledAt = { federationUrl, remoteGrantId: GRANT, remoteSubjectUserId: SUBJECT }
  await database.transaction(async (session) => {
    await moveLocked(session, { tenantId, id: added.id, event: 'enrol', enrolledAt })
    await promotePending(session, { tenantId, peerId: added.id }, taken)
  })
  return { id: added.id, x5t: sha256(offered.certificate.raw) }
}
