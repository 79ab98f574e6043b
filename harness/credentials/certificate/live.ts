import { chainOf, type Identity } from '../../pki/certificate.ts'
import { type Spoiling as SpoiledIdentity, spoiled } from '../../pki/spoiled.ts'
import { placeOf } from '../../topology/holders.ts'
import type { LiveKind, Spoiling } from '../live-kind.ts'
import type { LiveSite } from '../live-site.ts'
import type { Presented } from '../parts.ts'
import { operatorsIn, type SpoiledCertificate } from './checks.ts'
import { type CertificateSummary, certificateSummary, explanation, mismatch, refusalProblems } from './judged.ts'
import type { PlanCertificate } from './planned.ts'

const spoil: Readonly<Record<SpoiledCertificate, Spoiling<PlanCertificate>>> = {
  'of an unknown CA': signedAnew('otherCa'),
  expired: signedAnew('expired'),
}

/** No CA makes such certificates, so they are signed with its key. */
function signedAnew(how: SpoiledIdentity): Spoiling<PlanCertificate> {
  return {
    async make(_, { issuer, subject, sans }, site) {
      return { certificate: await spoiled[how]({ authority: await site.authority(issuer), subject, sans }) }
    },
  }
}

/** The certificate that a node itself uses, with its key. */
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

export const liveCertificate: LiveKind<PlanCertificate, CertificateSummary> = {
  part: 'certificate',
  inHandshake: true,
  fresh: async ({ enrol }, site, holder) => ({ certificate: await site.enrol(enrol, holder) }),
  held: async (planned, site, holder) => ({ certificate: await identityAt(site, planned, holder) }),
  spoil,
  summary: certificateSummary,
  proves: ({ thumbprint }) => (thumbprint === undefined ? {} : { 'x5t#S256': thumbprint }),
  explanation,
  mismatch,
  refusalProblems,
  hints: ({ thumbprint }) => ({ thumbprint }),
  suffices,
}
