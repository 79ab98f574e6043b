import type { X509Certificate } from 'node:crypto'
import { chainOf, thumbprintS256 } from '../../pki/certificate.ts'
import type { JudgedCall, MadeRecord } from '../live-kind.ts'
import type { Presented } from '../parts.ts'

export interface CertificateSummary {
  /** `x5t#S256` of the presented leaf. */
  readonly thumbprint: string | undefined
  readonly chain: readonly { subject: string; issuer: string; sans: string; notAfter: string; thumbprint: string }[]
}

/** Everything about a presented certificate that may be shown: never the key. */
export function certificateSummary({ certificate }: Presented): CertificateSummary | undefined {
  if (certificate === undefined) return undefined
  const chain = chainOf(certificate.certPem)
  return {
    thumbprint: chain[0] && thumbprintOf(chain[0]),
    chain: chain.map((one) => ({
      subject: oneLine(one.subject),
      issuer: oneLine(one.issuer),
      sans: one.subjectAltName ?? '',
      notAfter: one.validTo,
      thumbprint: thumbprintOf(one),
    })),
  }
}

function thumbprintOf(certificate: X509Certificate): string {
  return thumbprintS256(new Uint8Array(certificate.raw))
}

function oneLine(name: string): string {
  return name.replaceAll('\n', ', ')
}

export function explanation(summary: CertificateSummary | undefined): string[] {
  const chain = summary?.chain ?? []
  return [
    ...(chain.length === 0 ? ['chain     no certificate was presented'] : []),
    ...chain.map(
      (one, at) => `${at === 0 ? 'chain     ' : '          '}${one.subject}, by ${one.issuer}, until ${one.notAfter}`,
    ),
    `x5t#S256  ${summary?.thumbprint ?? 'none'} (presented)`,
  ]
}

export function mismatch({ credential, principal, to }: JudgedCall): string | undefined {
  const proven = principal['x5t#S256']
  const presented = credential.certificate?.thumbprint
  return proven === undefined || proven === presented ? undefined : `${to} proved ${proven}, presented was ${presented}`
}

/** It is proven with the connection: before any guard that judges a request. */
export function refusalProblems({ credential, control }: JudgedCall, { layer, principal }: MadeRecord): string[] {
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
