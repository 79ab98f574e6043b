import type { Guard } from '../../shared/guard.ts'
import type { Log } from '../../shared/log.ts'
import { type Accepted, demand, type Exchange } from '../listeners/exchange.ts'
import type { PublicRoute } from '../listeners/public-listener.ts'
import { type EnrolmentLimits, enrRate, RateLimit } from '../listeners/rate-limits.ts'
import {
  type EnrolmentAttempt,
  enrGrant,
  enrPeer,
  enrTokenFresh,
  enrTokenKnown,
  enrTokenUnused,
} from '../states/enrolment.ts'
import { activate } from '../storage/activation.ts'
import { wasKeyUsed } from '../storage/certificates.ts'
import type { Database } from '../storage/database.ts'
import { claimToken, type FoundToken, findToken } from '../storage/enrolment-tokens.ts'
import type { EnrolmentAnswer } from '../wire/answers.ts'
import { type Csr, type CsrAttempt, csrIn, enrCsr, enrCsrFresh, enrCsrName } from './csr.ts'
import { type EnrolmentBody, enrActivate, enrBody, enrCaReady, enrCaSign } from './guards.ts'
import { enrCaLeaf } from './issued-leaf.ts'
import { type Issuer, issuedBy, issuing, registrationOf, type Wanted } from './issuing.ts'
import { lookupOf } from './token.ts'
import { ENROLMENT_PATH } from './url.ts'

export interface Enrolling {
  readonly database: Database
  readonly issuer: Issuer
  /** Where peers call from then on: `https://<our name>:<port>`. */
  readonly federationUrl: string
  /** In 60 s. */
  readonly limits: EnrolmentLimits
  readonly log: Log
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/** The route by which a token becomes the first certificate of a grant, or a new beginning for it. */
export function enrolmentRoutes(enrolling: Enrolling): PublicRoute[] {
  const limit = new RateLimit()
  const handle: PublicRoute['handle'] = (exchange, { token = '' }) => redeem({ ...enrolling, limit }, exchange, token)
  const audit = { direction: 'inbound', verb: 'enrol' } as const
  return [{ method: 'POST', path: `${ENROLMENT_PATH}:token`, action: 'federation:enrol', audit, handle }]
}

type Redeeming = Enrolling & { readonly limit: RateLimit }

const TOKEN_GUARDS: readonly Guard<EnrolmentAttempt>[] = [enrTokenUnused, enrTokenFresh, enrGrant, enrPeer]
const CSR_GUARDS: readonly Guard<CsrAttempt>[] = [enrCsr, enrCsrName, enrCsrFresh]
const NOTHING: Omit<EnrolmentAttempt, 'now'> = {
  ...{ token: undefined, grant: { status: 'pending', expiresAt: null }, peer: { status: 'pending' } },
}

async function redeem(redeeming: Redeeming, exchange: Exchange, token: string): Promise<Accepted> {
  const { database, issuer, limit, limits, now = Date.now } = redeeming
  const address = exchange.connection.socket.remoteAddress ?? ''
  await exchange.pass([enrRate], { limit, address, most: limits })
  const csrPem = await csrSent(exchange)
  const sha256 = lookupOf(token)
  const found = sha256 === undefined ? undefined : await findToken(database, sha256)
  await exchange.pass([enrTokenKnown], { ...NOTHING, ...found, now: now() })
  if (found === undefined || sha256 === undefined) throw new Error('a token that nobody knows passed its guard')
  isAbout(exchange, found)
  await exchange.pass(TOKEN_GUARDS, { ...found, now: now() })
  const csr = await judgedCsr(redeeming, csrPem, found.peer.commonName)
  await exchange.pass([enrCaReady], issuer.ca)
  demandCaller(exchange)
  const issuanceId = await claim(redeeming, exchange, { sha256, csr, found })
  return issue(redeeming, exchange, { issuanceId, csr, found })
}

async function csrSent({ request }: Exchange): Promise<string> {
  const body: EnrolmentBody = { request }
  await demand([enrBody], body, () => body.issues)
  return body.value!.csrPem
}

/** Whom and what the token stands for; whoever holds it may know. */
function isAbout(exchange: Exchange, { tenantId, grant, peer }: FoundToken): void {
  Object.assign(exchange.principal, { grantId: grant.id, peerId: peer.id, subjectUserId: grant.subjectUserId })
  exchange.audit = { ...exchange.audit!, tenantId }
}

const CSR_HELP: Readonly<Record<string, string>> = {
  csr_malformed: 'must be one PEM block of a certificate request',
  csr_signature: 'must be signed by its own key',
  csr_key: 'must be for a key of EC P-256 or P-384, or of RSA with 2048 to 4096 bits',
  csr_digest: 'must be signed by way of SHA-256 or better',
  csr_name_mismatch: 'must have the registered common name as its whole subject and as its only dNSName',
  csr_key_reused: 'must be for a key that was in no certificate before',
}

async function judgedCsr({ database }: Redeeming, csrPem: string, commonName: string): Promise<Csr> {
  const attempt: CsrAttempt = { csrPem, commonName, isKeyKnown: (thumbprint) => wasKeyUsed(database, thumbprint) }
  await demand(CSR_GUARDS, attempt, (reason) => [{ path: 'csrPem', message: CSR_HELP[reason] ?? 'is not acceptable' }])
  const csr = csrIn(attempt)
  if (csr === undefined) throw new Error('a request that cannot be read passed its guards')
  return csr
}

interface Judged {
  readonly csr: Csr
  readonly found: FoundToken
}

/** From here on the token is used, whatever comes of it. */
async function claim(
  { database, now = Date.now }: Redeeming,
  exchange: Exchange,
  { sha256, csr, found }: Judged & { readonly sha256: string },
): Promise<string> {
  const claimed = await claimToken(database, { sha256, requestId: exchange.requestId, csrSha256: csr.x5rt })
  if (claimed.issuanceId !== undefined) return claimed.issuanceId
  if (claimed.why === 'used') {
    // Its time may have been over, too; then the database has seen that before this clock did.
    await exchange.pass([enrTokenUnused], { ...found, token: { ...found.token, usedAt: new Date(now()) }, now: now() })
  } else if (claimed.why === 'moved') {
    // What came in between is said by the guards that say it of a request that comes later.
    await exchange.pass(TOKEN_GUARDS, { ...NOTHING, ...(await findToken(database, sha256)), now: now() })
  }
  await exchange.pass([enrActivate], { outcome: 'busy' })
  throw new Error('a token that nobody has claimed passed its guards')
}

type Claimed = Judged & { readonly issuanceId: string }

/** Has the certificate issued, and activates the grant by it. */
async function issue(redeeming: Redeeming, exchange: Exchange, claimed: Claimed): Promise<Accepted> {
  const { database, issuer, now = Date.now } = redeeming
  const { csr, found } = claimed
  const { grant, peer, tenantId } = found
  const place = { requestId: exchange.requestId, tenantId, grantId: grant.id, issuanceId: claimed.issuanceId }
  const wanted: Wanted = {
    ...{ csr, commonName: peer.commonName, grantId: grant.id, subjectUserId: grant.subjectUserId },
    ...{ grantExpiresAt: grant.expiresAt, now: now() },
  }
  return issuing(redeeming, { place, wanted, brokenOff: 'enrolment_broken_off' }, async (asked) => {
    await exchange.pass([enrCaSign], asked)
    await exchange.pass([enrCaLeaf], issuedBy(issuer, wanted, asked, { session: database, now: now() }))
    demandCaller(exchange)
    const leaf = registrationOf(wanted, asked)
    exchange.principal.serial = leaf.serial
    const answer: EnrolmentAnswer = {
      ...{ certPem: leaf.certPem, certChainPem: leaf.chainPem, serial: leaf.serial },
      ...{ notAfter: leaf.notAfter.toISOString(), grantId: grant.id, subjectUserId: grant.subjectUserId },
      ...{ peerId: peer.id, federationUrl: redeeming.federationUrl },
    }
    const accepted = { status: 200, body: answer }
    const outcome = await activate(database, {
      ...{ ...place, peerId: peer.id, leaf },
      ...{ purpose: found.token.purpose, audit: exchange.acceptedRow(exchange.audit!, accepted) },
    })
    await exchange.pass([enrActivate], { outcome })
    return accepted
  })
}

/** For a caller that has gone, or that was told already that its time is over, nothing is begun that it would not learn of. */
function demandCaller({ signal }: Exchange): void {
  if (signal.aborted) throw new Error('whoever enrols has gone')
}
