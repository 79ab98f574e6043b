import { createPrivateKey, type X509Certificate } from 'node:crypto'
import { chainOf } from '../../pki/certificate.ts'
import { issuingDomain } from '../../topology/holders.ts'
import type { HeldFiles } from '../credential-kind.ts'
import { type Finding, findingsAt, type Problem, secondsNeeded, timeProblems } from '../finding.ts'
import type { PlanCertificate, Usage } from './planned.ts'

const OIDS: Readonly<Record<Usage, string>> = { serverAuth: '1.3.6.1.5.5.7.3.1', clientAuth: '1.3.6.1.5.5.7.3.2' }

/** What is wrong with the certificates that lie at their holders, without any handshake. */
export function certificateFindings(held: readonly PlanCertificate[], files: HeldFiles): Promise<Finding[]> {
  return findingsAt(held, async ({ sans, lifetimeSeconds, issuer, usages }, holder, folder) => {
    const [certPem, keyPem, anchorPem] = await Promise.all([
      files.read(holder, `${folder}/cert.pem`),
      files.read(holder, `${folder}/key.pem`),
      files.anchor(issuingDomain(files.plan, issuer)),
    ])
    const chain = attempt(() => chainOf(certPem)) ?? []
    const [leaf] = chain
    if (leaf === undefined) {
      return [['readable', 'holds no certificate in PEM', 'write the leaf first, then the intermediates']]
    }
    const needed = Math.min(secondsNeeded, lifetimeSeconds / 2)
    const lives = { begins: leaf.validFromDate.getTime(), ends: leaf.validToDate.getTime(), needed }
    return [
      ...keyProblems(keyPem, leaf),
      ...hostProblems(sans, leaf),
      ...chainProblems(anchorPem, chain),
      ...usageProblems(leaf, usages),
      ...timeProblems(lives, files.now, 'renew it, or give it a longer lifetime'),
    ]
  })
}

function keyProblems(keyPem: string, leaf: X509Certificate): Problem[] {
  const key = attempt(() => createPrivateKey(keyPem))
  if (key === undefined) return [['readable', 'has a key file that holds no private key in PEM', 'write it anew']]
  if (leaf.checkPrivateKey(key)) return []
  return [['key-fits', 'has a key that is not the one of its certificate', 'enrol it anew, or put the right key there']]
}

function hostProblems(hosts: readonly string[], leaf: X509Certificate): Problem[] {
  // RFC 9525 section 6.3: only the subject alternative name counts, never the common name.
  const missing = hosts.filter((host) => leaf.checkHost(host, { subject: 'never' }) === undefined)
  const named = leaf.subjectAltName ?? 'nobody'
  return missing.map((host) => ['host-covered', `names ${named}, and not ${host}`, `issue it with the DNS SAN ${host}`])
}

function chainProblems(anchorPem: string, chain: readonly X509Certificate[]): Problem[] {
  const anchors = attempt(() => chainOf(anchorPem)) ?? []
  if (anchors.length === 0) return [['readable', 'has verifiers without a root', 'hand over the root of its CA']]
  let last = chain[0]!
  for (const next of chain.slice(1)) {
    if (!isIssuedBy(last, next)) break
    last = next
  }
  if (anchors.some((anchor) => last.raw.equals(anchor.raw) || isIssuedBy(last, anchor))) return []
  const message = `ends at "${last.issuer.replaceAll('\n', ', ')}", which is not the root that verifiers have`
  return [['chain-complete', message, 'append the intermediates, or hand over the right root']]
}

function usageProblems(leaf: X509Certificate, usages: readonly Usage[] = ['serverAuth', 'clientAuth']): Problem[] {
  const missing = usages.filter((usage) => !leaf.keyUsage?.includes(OIDS[usage]))
  return missing.map((usage) => ['key-usage', `is not for ${usage}`, `issue it with the extended key usage ${usage}`])
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
}

function attempt<Value>(read: () => Value): Value | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
