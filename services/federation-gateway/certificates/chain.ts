import type { X509Certificate } from 'node:crypto'
import { AsnConvert } from '@peculiar/asn1-schema'
import * as asn1 from '@peculiar/asn1-x509'
import { isIssuedBy } from '../../shared/peer-certificate.ts'
import { certificateForm } from './certificate-form.ts'

/** A leaf, and at most three CAs between it and the root. */
export const LONGEST_CHAIN = 4

/**
 * Whether a chain, leaf first, leads to the root step by step: each certificate issued and signed by the next one, each of these a CA
 * that may have so many CAs below it and is valid now, and the last one signed by the root (RFC 5280 section 6.1). The root itself may stand
 * at the end. Says nothing of the leaf's own time: that is another reason.
 */
export function leadsTo(root: X509Certificate, chain: readonly X509Certificate[], now: number): boolean {
  const last = chain.at(-1)
  const path = last?.raw.equals(root.raw) ? chain.slice(0, -1) : chain
  if (path.length === 0 || path.length > LONGEST_CHAIN) return false
  try {
    return path.every((certificate, at) => {
      const issuer = path[at + 1] ?? root
      // `at` is how many CAs stand between this issuer and the leaf.
      return isIssuedBy(certificate, issuer) && mayIssue(issuer, at, now)
    })
  } catch {
    // A key or an extension that cannot be read: OpenSSL and the packages for ASN.1 say so by failing.
    return false
  }
}

function mayIssue(issuer: X509Certificate, casBelow: number, now: number): boolean {
  if (!issuer.ca || now < issuer.validFromDate.getTime() || now >= issuer.validToDate.getTime()) return false
  return casBelow <= mostBelow(issuer)
}

/** Section 4.2.1.9: `pathLenConstraint` counts the CAs below, without the leaf. */
function mostBelow(issuer: X509Certificate): number {
  const constraints = certificateForm(issuer.raw).extensions.find(({ oid }) => oid === asn1.id_ce_basicConstraints)
  if (constraints === undefined) return -1
  return AsnConvert.parse(constraints.value, asn1.BasicConstraints).pathLenConstraint ?? Number.POSITIVE_INFINITY
}
