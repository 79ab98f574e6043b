import type { Log } from '../../shared/log.ts'
import { type Accepted, demand } from '../listeners/exchange.ts'
import type { AdmissionStore, AdmittedCall, Verbs } from '../listeners/federation-listener.ts'
import { ADMISSION_GUARDS } from '../states/admission.ts'
import { wasKeyUsedOtherwise } from '../storage/certificates.ts'
import type { Database } from '../storage/database.ts'
import { openRenewal, registerRenewal, type SameAgain } from '../storage/renewal.ts'
import type { RenewAnswer } from '../wire/answers.ts'
import { type Csr, type CsrAttempt, csrIn, readCsr, renewCsr } from './csr.ts'
import { renewCa, renewSingle } from './guards.ts'
import { type Issuer, issuedBy, issuing, registrationOf, type Wanted } from './issuing.ts'

export interface Renewing {
  readonly database: Database
  readonly issuer: Issuer
  /** Says once more who is let in, where that has changed on the way. */
  readonly store: Pick<AdmissionStore, 'admission'>
  readonly overlapSeconds: number
  readonly log: Log
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/** The verb by which a peer comes from one certificate to the next. The CA renews none itself: the grant decides each time. */
export function renewing(options: Renewing): Verbs['renew'] {
  return async (call, { csrPem }) => {
    const csr = await judgedCsr(options, call, csrPem)
    const { database } = options
    const place = placeOf(call)
    const opened = await openRenewal(database, { ...place, requestId: call.requestId, csrSha256: csr.x5rt })
    if ('same' in opened) return answerWith(opened.same)
    if ('why' in opened && opened.why === 'lost_race') await demandAdmission(options, call)
    await demand([renewSingle], { opened })
    if (!('issuanceId' in opened)) throw new Error('a renewal that did not begin passed its guard')
    return issue(options, call, { csr, issuanceId: opened.issuanceId })
  }
}

async function judgedCsr({ database }: Renewing, { identity, grant }: AdmittedCall, csrPem: string): Promise<Csr> {
  const csr = readCsr(csrPem)
  const csrSha256 = typeof csr === 'string' ? '' : csr.x5rt
  const attempt: CsrAttempt = {
    ...{ csrPem, csr, commonName: identity.commonName },
    isKeyKnown: (thumbprint) => wasKeyUsedOtherwise(database, thumbprint, { grantId: grant.id, csrSha256 }),
  }
  await demand([renewCsr], attempt)
  const judged = csrIn(attempt)
  if (judged === undefined) throw new Error('a request that cannot be read passed its guard')
  return judged
}

/**
 * A certificate that was issued is registered also where its caller has gone meanwhile: it comes back with the same request, and gets the
 * same again.
 */
async function issue(
  options: Renewing,
  call: AdmittedCall,
  { csr, issuanceId }: { readonly csr: Csr; readonly issuanceId: string },
): Promise<Accepted> {
  const { database, issuer, now = Date.now } = options
  const { identity, grant, requestId } = call
  const place = { ...placeOf(call), requestId, issuanceId }
  const wanted: Wanted = {
    ...{ csr, commonName: identity.commonName, grantId: grant.id, subjectUserId: grant.subjectUserId },
    ...{ grantExpiresAt: grant.expiresAt, now: now() },
  }
  return issuing(options, { place, wanted, brokenOff: 'renewal_broken_off' }, async (asked) => {
    const issued = issuedBy(issuer, wanted, asked, { session: database, now: now() })
    await demand([renewCa], { ...(asked.failure && { failure: asked.failure }), issued })
    const leaf = registrationOf(wanted, asked)
    const outcome = await registerRenewal(database, { ...place, leaf })
    if (outcome !== 'issued') await refuseLost(options, call, { outcome, csr })
    return answerWith(leaf)
  })
}

/** What came in between is said by the guards that say it of a request that comes later. @throws Refused */
async function refuseLost(
  options: Renewing,
  call: AdmittedCall,
  { outcome, csr }: { readonly outcome: 'lost_race' | 'known_leaf'; readonly csr: Csr },
): Promise<never> {
  if (outcome === 'lost_race') await demandAdmission(options, call)
  else await demand([renewCsr], { csrPem: '', csr, commonName: call.identity.commonName, isKeyKnown: async () => true })
  await demand([renewSingle], { opened: { why: 'lost_race' } })
  throw new Error('a certificate that was not registered passed its guards')
}

async function demandAdmission({ store, overlapSeconds, now = Date.now }: Renewing, call: AdmittedCall): Promise<void> {
  const presented = call.identity
  const { grant, registered } = await store.admission(presented, call.patience)
  await demand(ADMISSION_GUARDS, { presented, grant, registered, overlapSeconds, now: now() })
}

function placeOf({ grant }: AdmittedCall) {
  return { tenantId: grant.tenantId, grantId: grant.id, peerId: grant.peerId }
}

function answerWith({ certPem, chainPem, serial, notAfter }: SameAgain): Accepted {
  const body: RenewAnswer = { certPem, certChainPem: chainPem, serial, notAfter: notAfter.toISOString() }
  return { status: 200, body }
}
