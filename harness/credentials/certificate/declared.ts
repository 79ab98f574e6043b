import type { Claim } from '../../topology/check-accepts.ts'
import { type Compilation, own } from '../../topology/compilation.ts'
import { oneshot, readerOf } from '../../topology/implicit-units.ts'
import { offerOf } from '../../topology/offers.ts'
import { anchorUnit } from '../../topology/paths.ts'
import type { PlanUnit } from '../../topology/plan.ts'
import type { CredentialKind } from '../credential-kind.ts'
import { certificateChecks, operatorsIn } from './checks.ts'
import { type CertificateDeclaration, certificateSchema, type PlanCertificate } from './planned.ts'
import { resolveCertificate } from './resolve.ts'

/** X.509 certificates with their keys. */
export const certificate: CredentialKind<CertificateDeclaration, PlanCertificate> = {
  name: 'certificate',
  schema: certificateSchema,
  part: 'certificate',
  issuing: { does: 'signs certificates', role: 'ca' },
  handover: { method: 'enrol', why: 'its key is made by its holder and never leaves it' },
  servesUnaccepted: true,
  resolve: resolveCertificate,
  units: (compilation, node, held) => held.map((one) => enrolUnit(compilation, node, one)),
  checkAccept,
  ...certificateChecks,
  arrow: { style: 'dotted', legend: 'certificate, from CA to holder' },
  places: (folder) => ({ certificate: { cert: `${folder}/cert.pem`, key: `${folder}/key.pem` } }),
  suffices: ({ sans }, verification) => operatorsIn(verification).some((san) => sans.includes(san)),
  findings: async (held, files) => (await import('./findings.ts')).certificateFindings(held, files),
  live: async () => (await import('./live.ts')).liveCertificate,
}

/** The oneshot in which a holder gets a certificate. */
function enrolUnit(compilation: Compilation, node: string, { name, issuer, enrol }: PlanCertificate): PlanUnit {
  const { domain } = offerOf(compilation, 'certificate', issuer)!
  return oneshot(node, {
    ref: `${node}/${name}`,
    kind: 'enrol',
    summary: `gets the certificate ${name} from ${issuer}`,
    after: [anchorUnit(node, domain)],
    steps: [{ enrol: { ...enrol, owner: readerOf(compilation, node, name) } }],
  })
}

/** A target takes certificates of the trust domains whose root it has. */
function checkAccept(
  compilation: Compilation,
  { accept: { target }, path }: Claim,
  _: unknown,
  certificate: PlanCertificate,
): void {
  const domain = offerOf(compilation, 'certificate', certificate.issuer)?.domain
  const home = own(compilation.topology.nodes, target)?.domain
  if (domain === undefined || home === undefined || domain === home || compilation.anchors.get(target)?.has(domain)) {
    return
  }
  compilation.mistakes.add(
    [...path, 'credential'],
    `"${target}" cannot accept "${certificate.name}": it has no root of "${domain}", whose CA signs it`,
    `name a certificate of "${home}", or make a unit of "${target}" trust "${domain}"`,
  )
}
