import type { X509Certificate } from 'node:crypto'
import { failureFields, type Log } from '../../shared/log.ts'
import { readLeaf } from '../certificates/leaf.ts'
import { pemOf } from '../certificates/pem.ts'
import { Refused } from '../listeners/exchange.ts'
import { type Serial, serialFromHex } from '../serial.ts'
import { giveUp } from '../storage/activation.ts'
import { isSerialKnown, type IssuedLeaf as RegisteredLeaf } from '../storage/certificates.ts'
import type { Database, Session } from '../storage/database.ts'
import { CaError, chainPem } from './ca-answer.ts'
import type { CaClient } from './ca-client.ts'
import type { Csr } from './csr.ts'
import type { IssuedLeaf, IssuingTrust } from './issued-leaf.ts'

/** The CA that issues certificates of peers, and whose word is taken for what it issues. */
export interface Issuer {
  readonly ca: Pick<CaClient, 'isReady' | 'sign'>
  /** The pinned root. */
  readonly root: X509Certificate
  readonly oids: IssuingTrust['oids']
  /** Who we are at the CA. */
  readonly provisioner: NonNullable<IssuingTrust['provisioner']>
  /** For how long, where the grant has so much time left. */
  readonly leafSeconds: number
}

/** A certificate that is to be issued. */
export interface Wanted {
  readonly csr: Csr
  readonly commonName: string
  readonly grantId: string
  readonly subjectUserId: string
  /** No certificate outlives its grant. */
  readonly grantExpiresAt: Date | null
  /** Milliseconds since 1970. */
  readonly now: number
}

/** What the CA made of it: a chain that nobody has judged, or why there is none. */
export interface Asked {
  readonly seconds: number
  /** Leaf first. */
  readonly chain: readonly X509Certificate[]
  readonly failure?: CaError
}

async function askCa({ ca, leafSeconds }: Issuer, wanted: Wanted): Promise<Asked> {
  const { csr, commonName, grantId, subjectUserId, grantExpiresAt, now } = wanted
  const left = grantExpiresAt === null ? leafSeconds : Math.floor((grantExpiresAt.getTime() - now) / 1_000)
  const seconds = Math.max(1, Math.min(leafSeconds, left))
  try {
    const to = { commonName, grantId, subjectUserId, x5rt: csr.x5rt }
    return { seconds, chain: await ca.sign(pemOf(csr.der, 'CERTIFICATE REQUEST'), to, seconds) }
  } catch (failure) {
    if (failure instanceof CaError) return { seconds, chain: [], failure }
    throw failure
  }
}

/** What is to be judged before it is worth anything. `now`: of the moment when it came. */
export function issuedBy(
  { root, oids, provisioner }: Issuer,
  { csr, commonName, grantId, subjectUserId }: Wanted,
  { seconds, chain }: Asked,
  { session, now }: { readonly session: Session; readonly now: number },
): IssuedLeaf {
  return {
    chain,
    asked: { publicKey: csr.publicKey, commonName, grantId, subjectUserId, seconds },
    trust: { root, oids, provisioner, now },
    isSerialKnown: (serial) => isSerialKnown(session, serial),
  }
}

/** Where a certificate is asked for, and what is on record of it. */
interface Issuing {
  readonly database: Database
  readonly issuer: Issuer
  readonly log: Log
}

/**
 * Asks the CA, and has something made of its answer. Whatever keeps it from that, what was issued is revoked.
 *
 * @param brokenOff the reason that stays of it where none of ours was given
 */
export async function issuing<Made>(
  { database, issuer, log }: Issuing,
  { place, wanted, brokenOff }: { readonly place: OnItsWay; readonly wanted: Wanted; readonly brokenOff: string },
  make: (asked: Asked) => Promise<Made>,
): Promise<Made> {
  let serial: Serial | undefined
  try {
    const asked = await askCa(issuer, wanted)
    serial = serialIn(asked)
    if (asked.failure !== undefined) noteUnsigned(log, place, asked.failure)
    return await make(asked)
  } catch (failure) {
    const reason = failure instanceof Refused ? failure.refusal.reason : brokenOff
    await leave(database, log, { ...place, reason, ...(serial !== undefined && { serial }) })
    throw failure
  }
}

/** As it is registered, once it was judged. */
export function registrationOf({ csr }: Wanted, { chain }: Asked): RegisteredLeaf {
  const leaf = chain[0] && readLeaf(chain[0])
  if (leaf === undefined) throw new Error('a certificate that cannot be read passed its check')
  return {
    ...{ serial: leaf.serial, x5t: leaf.x5t, spkiSha256: csr.keyThumbprint, csrSha256: csr.x5rt },
    ...{ certPem: chainPem([leaf.x509]), chainPem: chainPem(chain), notAfter: leaf.notAfter },
  }
}

/** By which it is to be revoked, whatever else is wrong with it. */
function serialIn({ chain }: Asked): Serial | undefined {
  return chain[0] && serialFromHex(chain[0].serialNumber)
}

/** A certificate that is on its way. */
export interface OnItsWay {
  readonly requestId: string
  readonly tenantId: string
  readonly grantId: string
  readonly issuanceId: string
}

/** The reason that the caller's request has on record says less than what the CA has done; the way out is for whoever runs the gateway. */
function noteUnsigned(log: Log, { requestId, grantId }: OnItsWay, failure: CaError): void {
  log.warn('certificate-not-signed', { requestId, grantId, ...failureFields(failure) })
}

/**
 * Nothing comes of it: another one may begin for the grant, and what was issued is revoked unless it is registered. Where the database is
 * away, the journal tells later that something was on its way; nobody accepts a certificate that is not registered.
 */
async function leave(
  database: Database,
  log: Log,
  { requestId, ...given }: OnItsWay & { readonly reason: string; readonly serial?: Serial },
): Promise<void> {
  try {
    await giveUp(database, given)
  } catch (failure) {
    const { grantId, serial } = given
    log.error('issuance-left-open', { requestId, grantId, ...(serial && { serial }), ...failureFields(failure) })
  }
}
