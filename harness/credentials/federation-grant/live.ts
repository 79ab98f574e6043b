import { randomUUID, X509Certificate } from 'node:crypto'
import { HoldfastError } from '../../errors.ts'
import { rogueAuthority } from '../../pki/authority.ts'
import type { Identity } from '../../pki/certificate.ts'
import { hoursFromNow } from '../../pki/spoiled.ts'
import { provisionerExtension, provisionerOid, type RawExtension } from '../../pki/step-extensions.ts'
import { type CertificateSummary, liveCertificate } from '../certificate/live.ts'
import { type JudgedCall, type LiveKind, type MadeRecord, NotIssued, type Spoiling } from '../live-kind.ts'
import type { LiveSite } from '../live-site.ts'
import type { Presented } from '../parts.ts'
import { awaited, type Begun, type Grant, isLetIn, Operator, redeem, renew } from './admin.ts'
import type { SpoiledGrant } from './checks.ts'
import { type Forgery, forgedAfter, namedIn, nameIn, naming } from './leaf.ts'
import { defaultOids, type PlanFederationGrant } from './planned.ts'

type Planned = PlanFederationGrant

export interface GrantSummary extends CertificateSummary {
  readonly serial: string
  readonly name: string
  /** What the certificate says, be it true or not. */
  readonly grantId: string | undefined
  readonly subjectUserId: string | undefined
}

/** Somebody asked for the key that a gateway uses itself. Code `HOLDFAST_KEY_SEALED`. */
class KeySealed extends HoldfastError {
  constructor(credential: string, holder: string) {
    super(
      'HOLDFAST_KEY_SEALED',
      `credential ${credential}: its key lies sealed in the database of ${holder}; take a fresh one`,
    )
  }
}

/** A grant that was given for a test, with the certificate by which it was taken up. */
interface Given extends Begun {
  readonly identity: Identity
}

/** Enrols a peer of its own for a grant of its own. */
async function given(planned: Planned, site: LiveSite, userId?: string): Promise<Given> {
  const operator = new Operator(site, planned)
  await kept('lending', planned, site, () => operator.untilLending())
  const begun = await operator.begin(userId === undefined ? {} : { userId })
  return { ...begun, identity: await redeem(planned, site, begun) }
}

const without = (oid: string) => (all: readonly RawExtension[]) => all.filter((one) => one.oid !== oid)

/** The list of extensions with another one in the place of those of an OID. */
function instead(oid: string, ...others: readonly RawExtension[]) {
  return (all: readonly RawExtension[]) => [...without(oid)(all), ...others]
}

/** Not a UUID as it must be written: in upper case. */
const garbled = 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'

const forgeries = {
  expired: () => ({ notBefore: hoursFromNow(-2), notAfter: hoursFromNow(-1) }),
  'not yet valid': () => ({ notBefore: hoursFromNow(1), notAfter: hoursFromNow(2) }),
  'for servers': () => ({ eku: ['serverAuth'] }),
  'for clients and servers': () => ({ eku: ['clientAuth', 'serverAuth'] }),
  'of another provisioner': () => ({
    added: instead(provisionerOid, provisionerExtension({ name: 'another', kid: 'of-another-key' })),
  }),
  'naming no grant': ({ oids }) => ({ added: without(oids.grant) }),
  'naming two grants': ({ oids }) => ({ added: (all) => [...all, naming(oids.grant, randomUUID())] }),
  'naming a garbled grant': ({ oids }) => ({ added: instead(oids.grant, naming(oids.grant, garbled)) }),
  'naming no user': ({ oids }) => ({ added: without(oids.subject) }),
  'naming two users': ({ oids }) => ({ added: (all) => [...all, naming(oids.subject, randomUUID())] }),
  'naming a garbled user': ({ oids }) => ({ added: instead(oids.subject, naming(oids.subject, garbled)) }),
  'of a grant that nobody gave': ({ oids }) => ({ added: instead(oids.grant, naming(oids.grant, randomUUID())) }),
  'of another user': ({ oids }) => ({ added: instead(oids.subject, naming(oids.subject, randomUUID())) }),
  'under another name': (_, { certPem }) => ({ name: `other.${nameIn(certPem)}` }),
  unregistered: () => ({}),
} satisfies Record<string, (lender: Planned['lender'], genuine: Identity) => Forgery>

function forged(forgery: (lender: Planned['lender'], genuine: Identity) => Forgery): Spoiling<Planned> {
  return async ({ certificate }, { lender }, site) => {
    const forge = forgery(lender, certificate!)
    return { certificate: await forgedAfter(certificate!.certPem, await site.authority(lender.signer), forge) }
  }
}

/** Forged for another grant of a peer that has one, which became what it is by then. Answers its id. */
function ofGrant(become: (operator: Operator, peerId: string) => Promise<string>): Spoiling<Planned> {
  return async (_, planned, site) => {
    const own = await kept('as given', planned, site, () => given(planned, site))
    const grantId = await become(new Operator(site, planned), own.peerId)
    const { oids, signer } = planned.lender
    const added = instead(oids.grant, naming(oids.grant, grantId))
    return { certificate: await forgedAfter(own.identity.certPem, await site.authority(signer), { added }) }
  }
}

/** Those that take their lender some work, each made once for all who ask for it at a site: what is spoiled stays so. */
const known = {
  'of a pending grant': ofGrant(async (operator, peerId) => (await operator.grant(peerId)).id),
  'of a revoked grant': ofGrant(async (operator, peerId) => {
    const { id } = await operator.grant(peerId)
    await operator.revoke(id)
    return id
  }),
  'of an expired grant': ofGrant(async (operator, peerId) => {
    const { id } = await operator.grant(peerId, { expiresAt: new Date(Date.now() + 1_000).toISOString() })
    await operator.until(id, 'had a grant expired', ({ status }) => status === 'expired')
    return id
  }),
  revoked: async (_, planned, site) => {
    const { identity, grantId } = await given(planned, site)
    await demandLetIn(planned, site, identity)
    const operator = new Operator(site, planned)
    await operator.revoke(grantId)
    const isListed = (grant: Grant) => grant.certificateRevocation === 'effective'
    await operator.until(grantId, 'was a certificate on the list', isListed)
    return { certificate: identity }
  },
  superseded: async (_, planned, site) => {
    const { identity, commonName } = await given(planned, site)
    await demandLetIn(planned, site, identity)
    const [holder = ''] = planned.holders
    await demandLetIn(planned, site, await renew(planned, site, { holder, commonName, identity }))
    const withinMs = (planned.lender.overlapSeconds + 3) * 1_000
    const ask = () => isLetIn(planned, site, { holder, identity })
    await awaited(site, planned.issuer, { what: 'was a certificate superseded', ask, is: (isIn) => !isIn, withinMs })
    return { certificate: identity }
  },
  'of a disabled user': async (_, planned, site) => {
    const operator = new Operator(site, planned)
    const { id } = await operator.newUser(`user-${randomUUID().slice(0, 8)}`)
    const { identity } = await given(planned, site, id)
    await operator.disable(id)
    return { certificate: identity }
  },
} satisfies Partial<Record<SpoiledGrant, Spoiling<Planned>>>

const spoil: Readonly<Record<SpoiledGrant, Spoiling<Planned>>> = {
  ...mapped(forgeries, (_, forgery) => forged(forgery)),
  ...mapped(known, (state, make): Spoiling<Planned> => {
    return (fresh, planned, site) => kept(state, planned, site, () => make(fresh, planned, site))
  }),
  'of an unknown CA': async ({ certificate }) => ({
    certificate: await forgedAfter(certificate!.certPem, await rogueAuthority()),
  }),
}

function mapped<Name extends string, From, To>(all: Readonly<Record<Name, From>>, to: (name: Name, from: From) => To) {
  const entries = Object.entries<From>(all).map(([name, from]) => [name, to(name as Name, from)])
  return Object.fromEntries(entries) as Record<Name, To>
}

/** It is active from then on. @throws NotIssued */
async function demandLetIn(planned: Planned, site: LiveSite, identity: Identity): Promise<void> {
  const [holder = ''] = planned.holders
  if (await isLetIn(planned, site, { holder, identity })) return
  throw new NotIssued(planned.name, 'use it', null, `${planned.issuer} does not let it in`)
}

/** What was made at a site, by its lender. */
const keptAt = new WeakMap<object, Map<string, { readonly made: Promise<unknown>; readonly until: number }>>()
/** Of the life of a certificate: then one that is kept is made anew. */
const keptShare = 0.5

/** What is made once for a site, and again before it ends. */
function kept<Made>(
  what: string,
  { name, issuer, lifetimeSeconds = 0 }: Planned,
  site: LiveSite,
  make: () => Promise<Made>,
) {
  const lender = site.node(issuer)
  const all = keptAt.get(lender) ?? new Map()
  keptAt.set(lender, all)
  const key = `${name} ${what}`
  const before = all.get(key)
  if (before !== undefined && before.until > performance.now()) return before.made as Promise<Made>
  const made = make()
  all.set(key, { made, until: performance.now() + lifetimeSeconds * 1_000 * keptShare })
  // Whoever asks next tries again.
  made.catch(() => all.delete(key))
  return made
}

function summary({ certificate }: Presented): GrantSummary | undefined {
  const chain = liveCertificate.summary({ certificate })
  if (certificate === undefined || chain === undefined) return undefined
  const leaf = new X509Certificate(certificate.certPem)
  const { grant, subject } = defaultOids
  const [grantId, subjectUserId] = [grant, subject].map((oid) => namedIn(certificate.certPem, oid))
  // As it is written everywhere but in a certificate: in lower case, without zeros before it.
  const serial = leaf.serialNumber.toLowerCase().replace(/^0+/, '')
  return { ...chain, serial, name: nameIn(certificate.certPem), grantId, subjectUserId }
}

/** Who names a certificate can only name the one that it was shown. */
function misnamed({ credential, to }: JudgedCall, { x5t: proven }: MadeRecord['principal']): string | undefined {
  const presented = credential.certificate?.thumbprint
  if (proven === undefined || proven === presented) return undefined
  return `${to} proved ${proven}, presented was ${presented ?? 'none'}`
}

/** Who judges a certificate names it, too. */
function refusalProblems(call: JudgedCall, { guard, principal }: MadeRecord): string[] {
  const wrong = misnamed(call, principal)
  if (wrong !== undefined) return [wrong]
  const { credential, verification } = call
  const judging = verification?.checks.filter((check) => !check.settles && check.layer === 'http') ?? []
  const isJudged = judging.some((check) => !check.settles && check.guard === guard)
  if (!isJudged || principal.x5t !== undefined) return []
  return [`the record names nobody as proven, presented was ${credential.certificate?.thumbprint}`]
}

export const liveFederationGrant: LiveKind<Planned, GrantSummary> = {
  part: 'certificate',
  inHandshake: true,
  fresh: async (planned, site) => ({ certificate: (await given(planned, site)).identity }),
  renewed: async ({ certificate: identity }, planned, site, holder) => {
    const commonName = nameIn(identity!.certPem)
    return { certificate: await renew(planned, site, { holder, commonName, identity: identity! }) }
  },
  held: async ({ name, holders }) => Promise.reject(new KeySealed(name, holders[0]!)),
  spoil,
  summary,
  proves: ({ thumbprint, serial, name, grantId, subjectUserId }) => ({
    ...{ x5t: thumbprint, serial, cn: name, grantId, subjectUserId },
  }),
  explanation: (shown, shaken) => [
    ...liveCertificate.explanation(shown, shaken),
    ...(shown === undefined
      ? []
      : [`grant     ${shown.grantId ?? 'none'}, for the user ${shown.subjectUserId ?? 'none'}`]),
  ],
  facts: (shown) => ({
    ...liveCertificate.facts?.(shown),
    'grant in the certificate': shown.grantId,
    'user in the certificate': shown.subjectUserId,
  }),
  mismatch: (call) => misnamed(call, call.principal),
  refusalProblems,
  hints: ({ thumbprint, grantId, subjectUserId }) => ({ thumbprint, grant: grantId, user: subjectUserId }),
}
