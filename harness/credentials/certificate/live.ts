import { rogueAuthority } from '../../pki/authority.ts'
import { chainOf, type Identity, thumbprintS256 } from '../../pki/certificate.ts'
import { spoiled, unspoiled } from '../../pki/spoiled.ts'
import { placeOf } from '../../topology/holders.ts'
import type { JudgedCall, LiveKind, MadeRecord, Shaken, Spoiling } from '../live-kind.ts'
import type { LiveSite } from '../live-site.ts'
import type { Presented } from '../parts.ts'
import { operatorsIn, type SpoiledCertificate } from './checks.ts'
import { enrolmentOf, type PlanCertificate } from './planned.ts'

export interface CertificateSummary {
  /** `x5t#S256` of the presented leaf. */
  readonly thumbprint: string | undefined
  readonly chain: readonly { subject: string; issuer: string; sans: string; notAfter: string; thumbprint: string }[]
}

const spoil: Readonly<Record<SpoiledCertificate, Spoiling<PlanCertificate>>> = {
  // Of which no key is needed that is not ours.
  'of an unknown CA': async (_, { subject, sans }) => ({
    certificate: await unspoiled({ authority: await rogueAuthority(), subject, sans }),
  }),
  // No CA makes such certificates, so they are signed with its key.
  expired: async (_, { issuer, subject, sans }, site) => ({
    certificate: await spoiled.expired({ authority: await site.authority(issuer), subject, sans }),
  }),
}

export async function identityAt(
  site: Pick<LiveSite, 'read'>,
  planned: PlanCertificate,
  holder: string = planned.holders[0]!,
): Promise<Identity> {
  const folder = placeOf(planned, holder)
  const [certPem, keyPem] = await Promise.all(['cert', 'key'].map((file) => site.read(holder, `${folder}/${file}.pem`)))
  return { certPem: certPem!, keyPem: keyPem! }
}

/** Who is known by an operator's certificate needs nothing else. */
function suffices({ certificate }: Presented, verification: Parameters<typeof operatorsIn>[0]): boolean {
  const [leaf] = certificate === undefined ? [] : chainOf(certificate.certPem)
  const names = leaf?.subjectAltName?.split(', ').map((san) => san.replace(/^DNS:/, '')) ?? []
  const operators = operatorsIn(verification)
  return names.some((name) => operators.includes(name))
}

/** Everything about a presented certificate that may be shown: never the key. */
function summary({ certificate }: Presented): CertificateSummary | undefined {
  if (certificate === undefined) return undefined
  const chain = chainOf(certificate.certPem).map((one) => ({
    subject: oneLine(one.subject),
    issuer: oneLine(one.issuer),
    sans: one.subjectAltName ?? '',
    notAfter: one.validTo,
    thumbprint: thumbprintS256(one.raw),
  }))
  return { thumbprint: chain[0]?.thumbprint, chain }
}

function oneLine(name: string): string {
  return name.replaceAll('\n', ', ')
}

function explanation(summary: CertificateSummary | undefined, shaken?: Shaken): string[] {
  if (summary !== undefined && shaken?.isCertificateAsked === false) {
    return [`chain     no certificate was presented: the server asked for none (the caller has ${summary.thumbprint})`]
  }
  const chain = summary?.chain ?? []
  return [
    ...(chain.length === 0 ? ['chain     no certificate was presented'] : []),
    ...chain.map(({ subject, issuer, notAfter }, at) => {
      return `${(at === 0 ? 'chain' : '').padEnd(10)}${subject}, by ${issuer}, until ${notAfter}`
    }),
    `x5t#S256  ${summary?.thumbprint ?? 'none'} (presented)`,
  ]
}

function mismatch({ credential, principal, to }: JudgedCall): string | undefined {
  const proven = principal['x5t#S256']
  const presented = credential.certificate?.thumbprint
  return proven === undefined || proven === presented ? undefined : `${to} proved ${proven}, presented was ${presented}`
}

/** It is proven with the connection: before any guard that judges a request. */
function refusalProblems({ credential, control }: JudgedCall, { layer, principal }: MadeRecord): string[] {
  const proven = principal['x5t#S256']
  const presented = credential.certificate?.thumbprint
  if (proven === presented) return []
  if (proven === undefined) {
    // At TLS there may be no certificate to name yet, and another listener may not ask for one.
    if (layer !== 'http' || control?.element === 'listener') return []
    return [`the record names nobody as proven, presented was ${presented}`]
  }
  return [`the record holds x5t#S256 ${proven} as proven, presented was ${presented ?? 'nothing'}`]
}

export const liveCertificate: LiveKind<PlanCertificate, CertificateSummary> = {
  part: 'certificate',
  inHandshake: true,
  fresh: async (planned, site, holder) => ({ certificate: await site.enrol(enrolmentOf(planned), holder) }),
  held: async (planned, site, holder) => ({ certificate: await identityAt(site, planned, holder) }),
  spoil,
  summary,
  proves: ({ thumbprint }) => (thumbprint === undefined ? {} : { 'x5t#S256': thumbprint }),
  explanation,
  facts: ({ chain }) => ({
    certificate: chain[0] && `${chain[0].subject}, by ${chain[0].issuer}, until ${chain[0].notAfter}`,
    'x5t#S256 of the certificate': chain[0]?.thumbprint,
    'certificates behind it': chain.slice(1).map(({ subject }) => subject),
  }),
  mismatch,
  refusalProblems,
  hints: ({ thumbprint }) => ({ thumbprint }),
  suffices,
}
