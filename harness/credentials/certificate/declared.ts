import type { GivenFile } from '../../pki/given.ts'
import { type Compilation, needAnchor, own } from '../../topology/compilation.ts'
import type { Declared, WhyNot } from '../../topology/credential-kind.ts'
import { durationSeconds, durationText } from '../../topology/duration.ts'
import { oneshot, readerOf } from '../../topology/implicit-units.ts'
import { issuerOf, offerOf } from '../../topology/offers.ts'
import { anchorPath, anchorUnit } from '../../topology/paths.ts'
import type { PlanAccept, PlanUnit } from '../../topology/plan.ts'
import type { CredentialKind } from '../credential-kind.ts'
import { certificateChecks, operatorsIn } from './checks.ts'
import {
  type Authority,
  type CertificateDeclaration,
  certificateSchema,
  defaultCertificate,
  type PlanCertificate,
} from './planned.ts'
import { keyOf, provisionerOf } from './provisioner.ts'

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
  unacceptable,
  ...certificateChecks,
  arrow: { style: 'dotted', legend: 'certificate, from CA to holder' },
  places: (folder) => ({ certificate: { cert: `${folder}/cert.pem`, key: `${folder}/key.pem` } }),
  suffices: ({ sans }, verification) => operatorsIn(verification).some((san) => sans.includes(san)),
  findings: async (held, files) => (await import('./findings.ts')).certificateFindings(held, files),
  live: async () => (await import('./live.ts')).liveCertificate,
}

type Declaration = Declared<CertificateDeclaration>

/** What a topology says of a certificate, with everything filled in. */
function resolveCertificate(compilation: Compilation, declared: Declaration): PlanCertificate | undefined {
  const { name, declaration, holder, files } = declared
  const [issuer = ''] = declaration.issuer.split('/')
  const authority = authorityOf(compilation, issuer, declared)
  const given = own(authority?.given ?? {}, name)
  const provisioner = given || !authority ? undefined : provisionerOf(authority.provisioners, declared, noKey(issuer))
  const holderHost = own(compilation.topology.nodes, holder)?.host
  const subject = declaration.subject ?? holderHost
  const lifetimeSeconds = durationSeconds(declaration.lifetime)
  if (authority !== undefined && !given) checkLifetime({ ...authority, ...provisioner }, lifetimeSeconds, declared)
  if (subject === undefined) return undefined
  const sans = declaration.sans ?? [subject]
  checkSans(declared, { subject, sans, holderHost })
  if (authority === undefined || (given ?? provisioner) === undefined) return undefined
  needAnchor(compilation, holder, authority.domain)
  const [url, anchor, dir] = [authority.url, anchorPath(authority.domain), files[holder]!]
  const holders = [holder]
  const enrol = provisioner && {
    ...{ credential: name, ca: issuer, url, anchor, subject, sans, lifetimeSeconds, dir },
    provisioner: keyOf(provisioner),
  }
  const isKept = given !== undefined || compilation.offers.some(({ registered }) => registered?.includes(name))
  const kept = isKept && { kept: true as const }
  return {
    ...{ name, kind: 'certificate', issuer, holders, subject, handover: 'enrol', lifetimeSeconds, sans, files },
    ...{ enrol, ...kept, ...(provisioner?.usages && { usages: provisioner.usages }) },
  }
}

/** A CA with a root of its own is of use only where that root is handed over: as the CA of a trust domain. */
function authorityOf(compilation: Compilation, node: string, { path, mistake }: Declaration) {
  const authority = issuerOf(compilation, 'certificate', node, path)
  const { trustDomains } = compilation.topology
  if (authority?.root === undefined || own(trustDomains, authority.domain)?.ca === node) return authority
  const able = Object.values(trustDomains).map(({ ca }) => ca)
  mistake(['issuer'], `"${node}" is the CA of no trust domain`, `name one of ${able.join(', ')}`)
  return undefined
}

function noKey(issuer: string) {
  const wayOut = 'name its files among the certificates of that, or give it a key'
  return [`"${issuer}" has no key to sign it with`, wayOut] as const
}

function checkLifetime(
  { minimumLifetime, maximumLifetime }: Pick<Authority, 'minimumLifetime' | 'maximumLifetime'>,
  seconds: number,
  { mistake }: Declaration,
): void {
  if (seconds >= minimumLifetime && seconds <= maximumLifetime) return
  const [least, most, wanted] = [minimumLifetime, maximumLifetime, seconds].map(durationText)
  mistake(['lifetime'], `the CA signs for ${least} to ${most}, not for ${wanted}`, 'stay within that')
}

function checkSans(
  { name, declaration, holder, mistake }: Declaration,
  { subject, sans, holderHost }: { subject: string; sans: readonly string[]; holderHost: string | undefined },
): void {
  const at = [declaration.sans === undefined ? 'subject' : 'sans']
  const covered = (host: string) => sans.some((san) => covers(san, host))
  if (!covered(subject)) mistake(at, `no SAN covers the subject "${subject}" (there is ${sans[0]})`, `add "${subject}"`)
  if (name === defaultCertificate(holder) && holderHost !== undefined && !covered(holderHost)) {
    const wayOut = `add "${holderHost}", or give a certificate for something else another name`
    mistake(at, `no SAN covers the host "${holderHost}" of its holder`, wayOut)
  }
}

/** RFC 9525 6.3: a wildcard stands for exactly one label, the leftmost. */
function covers(san: string, host: string): boolean {
  return san === host || (san.startsWith('*.') && san.slice(1) === host.slice(host.indexOf('.')))
}

function enrolUnit(compilation: Compilation, node: string, { name, issuer, enrol, files }: PlanCertificate): PlanUnit {
  const { domain, given } = offerOf(compilation, 'certificate', issuer)!
  const owner = readerOf(compilation, node, name)
  const common = { ref: `${node}/${name}`, after: [anchorUnit(node, domain)] }
  if (enrol !== undefined) {
    const summary = `gets the certificate ${name} from ${issuer}`
    return oneshot(node, { ...common, kind: 'enrol', summary, steps: [{ enrol: { ...enrol, owner } }] })
  }
  const identity = given![name]!
  const copy = (from: GivenFile, file: string) => ({
    copy: { from: from.path, to: { path: `${files[node]}/${file}.pem`, mode: '0600', owner } },
  })
  // The key first: whoever watches for the certificate finds its key.
  const steps = [copy(identity.key, 'key'), copy(identity.cert, 'cert')]
  return {
    ...oneshot(node, { ...common, kind: 'copy', summary: `has the certificate ${name} from files`, steps }),
    given: { identity },
  }
}

/** A target takes certificates of the trust domains whose root it has. */
function unacceptable(
  compilation: Compilation,
  { target }: PlanAccept,
  _: unknown,
  { issuer }: PlanCertificate,
): WhyNot[] {
  const domain = offerOf(compilation, 'certificate', issuer)?.domain
  const home = own(compilation.topology.nodes, target)?.domain
  if (domain === undefined || home === undefined || domain === home) return []
  if (compilation.anchors.get(target)?.has(domain)) return []
  const wayOut = `name a certificate of "${home}", or make a unit of "${target}" trust "${domain}"`
  return [[`it has no root of "${domain}", whose CA signs it`, wayOut]]
}
