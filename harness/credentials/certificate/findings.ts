import { createPrivateKey, type X509Certificate } from 'node:crypto'
import { chainOf } from '../../pki/certificate.ts'
import { holderOf, issuingDomain, placeOf } from '../../topology/holders.ts'
import { type HeldFiles, secondsNeeded } from '../credential-kind.ts'
import { type Finding, readable } from '../finding.ts'
import type { PlanCertificate } from './planned.ts'

export interface CertificateFiles {
  /** Name of the credential, and where its files are. */
  thing: string
  place: string
  /** Leaf first, then what is sent along. */
  certPem: string
  keyPem: string
  /** The root that verifiers have. */
  anchorPem: string
  /** Every host that it must name. */
  hosts: readonly string[]
  /** What it is for. */
  usages: readonly ('serverAuth' | 'clientAuth')[]
  /** How long it must be good at least. */
  secondsNeeded: number
}

const OIDS = { serverAuth: '1.3.6.1.5.5.7.3.1', clientAuth: '1.3.6.1.5.5.7.3.2' }

/** What is wrong with the certificates that lie at their holders. */
export async function certificateFileFindings(held: readonly PlanCertificate[], files: HeldFiles): Promise<Finding[]> {
  const all = held.map((certificate) => readable(certificate, (place) => ofCertificate(certificate, place, files)))
  return (await Promise.all(all)).flat()
}

async function ofCertificate(certificate: PlanCertificate, place: string, files: HeldFiles): Promise<Finding[]> {
  const { name, sans, lifetimeSeconds, issuer } = certificate
  const [holder, folder] = [holderOf(certificate), placeOf(certificate)]
  const [certPem, keyPem, anchorPem] = await Promise.all([
    files.read(holder, `${folder}/cert.pem`),
    files.read(holder, `${folder}/key.pem`),
    files.anchor(issuingDomain(files.plan, issuer)),
  ])
  const needed = Math.min(secondsNeeded, lifetimeSeconds / 2)
  const read = { thing: name, place, certPem, keyPem, anchorPem, hosts: sans, secondsNeeded: needed }
  return certificateFindings({ ...read, usages: ['serverAuth', 'clientAuth'] }, files.now)
}

/** What is wrong with a certificate and its key, without any handshake. `now` in ms since 1970. */
export function certificateFindings(files: CertificateFiles, now: number = Date.now()): Finding[] {
  const { thing, place } = files
  const found = (check: string, message: string, wayOut: string): Finding => ({
    ...{ check, thing, place },
    ...{ message, wayOut },
  })
  const chain = attempt(() => chainOf(files.certPem))
  const [leaf] = chain ?? []
  if (chain === undefined || leaf === undefined) {
    return [found('readable', 'holds no certificate in PEM', 'write the leaf first, then the intermediates')]
  }
  return [
    ...keyFindings(files, leaf, found),
    ...hostFindings(files, leaf, found),
    ...chainFindings(files, chain, found),
    ...usageFindings(files, leaf, found),
    ...timeFindings(files, leaf, now, found),
  ]
}

type Found = (check: string, message: string, wayOut: string) => Finding

function keyFindings({ keyPem }: CertificateFiles, leaf: X509Certificate, found: Found): Finding[] {
  const key = attempt(() => createPrivateKey(keyPem))
  if (key === undefined) return [found('readable', 'has a key file that holds no private key in PEM', 'write it anew')]
  if (leaf.checkPrivateKey(key)) return []
  return [
    found('key-fits', 'has a key that is not the one of its certificate', 'enrol it anew, or put the right key there'),
  ]
}

function hostFindings({ hosts }: CertificateFiles, leaf: X509Certificate, found: Found): Finding[] {
  // RFC 9525 section 6.3: only the subject alternative name counts, never the common name.
  const missing = hosts.filter((host) => leaf.checkHost(host, { subject: 'never' }) === undefined)
  const named = leaf.subjectAltName ?? 'nobody'
  return missing.map((host) =>
    found('host-covered', `names ${named}, and not ${host}`, `issue it with the DNS SAN ${host}`),
  )
}

function chainFindings({ anchorPem }: CertificateFiles, chain: readonly X509Certificate[], found: Found): Finding[] {
  const anchors = attempt(() => chainOf(anchorPem)) ?? []
  if (anchors.length === 0) return [found('readable', 'has verifiers without a root', 'hand over the root of its CA')]
  let last = chain[0]!
  for (const next of chain.slice(1)) {
    if (!isIssuedBy(last, next)) break
    last = next
  }
  if (anchors.some((anchor) => last.raw.equals(anchor.raw) || isIssuedBy(last, anchor))) return []
  const issuer = last.issuer.replaceAll('\n', ', ')
  return [
    found(
      'chain-complete',
      `ends at "${issuer}", which is not the root that verifiers have`,
      'append the intermediates, or hand over the right root',
    ),
  ]
}

function usageFindings({ usages }: CertificateFiles, leaf: X509Certificate, found: Found): Finding[] {
  const held: readonly string[] = leaf.keyUsage ?? []
  const missing = usages.filter((usage) => !held.includes(OIDS[usage]))
  return missing.map((usage) =>
    found('key-usage', `is not for ${usage}`, `issue it with the extended key usage ${usage}`),
  )
}

function timeFindings(
  { secondsNeeded }: CertificateFiles,
  leaf: X509Certificate,
  now: number,
  found: Found,
): Finding[] {
  if (leaf.validFromDate.getTime() > now) {
    return [found('time-left', `begins at ${leaf.validFromDate.toISOString()}`, 'set the clocks alike')]
  }
  const left = Math.floor((leaf.validToDate.getTime() - now) / 1000)
  if (left >= secondsNeeded) return []
  const message = left < 0 ? `ended ${-left} s ago` : `ends in ${left} s, and ${secondsNeeded} s are needed`
  return [found('time-left', message, 'renew it, or give it a longer lifetime')]
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
