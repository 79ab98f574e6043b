import type { X509Certificate } from 'node:crypto'
import { certificatesInPem, pemOf } from '../certificates/pem.ts'
import { chainPem } from '../enrolment/ca-answer.ts'
import { readCsr } from '../enrolment/csr.ts'
import { issuedLeafProblem, type LeafProblem } from '../enrolment/issued-leaf.ts'
import { serialFromHex } from '../serial.ts'
import type { TakenCertificate } from '../storage/peer-keys.ts'

/** A certificate that a lender has answered with, for a key of ours. */
export interface OfferedCertificate {
  readonly certPem: string
  /** What stands between it and the root, with or without the certificate itself. */
  readonly certChainPem: string
}

/** What it must be. */
export interface ExpectedCertificate {
  /** The request that it answers: its key. */
  readonly csrPem: string
  /** Our own. */
  readonly commonName: string
  readonly grantId: string
  readonly subjectUserId: string
}

export interface PeerTrust {
  /** The pinned root of this peer. */
  readonly root: X509Certificate
  readonly oids: { readonly grant: string; readonly subject: string }
  /** Milliseconds since 1970. */
  readonly now: number
}

/** How long they live is for the lender to say; no gateway gives out longer ones. */
const LONGEST_SECONDS = 86_400

/** Judges a certificate as the lender judges what its CA answers, and by the same reader. */
export function takeCertificate(
  offered: OfferedCertificate,
  { csrPem, commonName, grantId, subjectUserId }: ExpectedCertificate,
  { root, oids, now }: PeerTrust,
): { readonly taken: TakenCertificate; readonly problem?: undefined } | { readonly problem: LeafProblem } {
  const chain = chainOf(offered, root)
  const csr = readCsr(csrPem)
  if (chain === undefined) return { problem: 'chain' }
  if (typeof csr === 'string') return { problem: 'key' }
  const asked = { publicKey: csr.publicKey, commonName, grantId, subjectUserId, seconds: LONGEST_SECONDS }
  const problem = issuedLeafProblem(chain, asked, { root, oids, provisioner: undefined, now })
  const [leaf] = chain as [X509Certificate]
  const serial = serialFromHex(leaf.serialNumber)
  if (problem !== undefined || serial === undefined) return { problem: problem ?? 'profile' }
  const certPem = pemOf(leaf.raw, 'CERTIFICATE')
  return { taken: { certPem, chainPem: chainPem(chain), serial, notAfter: leaf.validToDate } }
}

/** Leaf first, and without the root, which TLS need not send. */
function chainOf({ certPem, certChainPem }: OfferedCertificate, root: X509Certificate): X509Certificate[] | undefined {
  const [leaf, ...more] = certificatesInPem(certPem) ?? []
  const above = certChainPem.trim() === '' ? [] : certificatesInPem(certChainPem)
  if (leaf === undefined || above === undefined) return undefined
  return [leaf, ...[...more, ...above].filter(({ raw }) => !raw.equals(leaf.raw) && !raw.equals(root.raw))]
}
