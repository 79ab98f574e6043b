import { X509Certificate } from 'node:crypto'
import { onlyElement, TAG } from './der.ts'

/** Labels of RFC 7468. */
export type Label = 'CERTIFICATE' | 'CERTIFICATE REQUEST' | 'X509 CRL' | 'PRIVATE KEY'

/** The DER in a text that is exactly one PEM block with this label (RFC 7468 section 3), and one DER sequence in it; undefined for anything else. */
export function derInPem(text: string, label: Label): Buffer | undefined {
  const form = new RegExp(`^\\s*-----BEGIN ${label}-----\\r?\\n([A-Za-z0-9+/=\\r\\n]+)-----END ${label}-----\\s*$`)
  const [, encoded] = form.exec(text) ?? []
  const base64 = encoded?.replaceAll(/[\r\n]/g, '')
  if (base64 === undefined || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined
  const der = Buffer.from(base64, 'base64')
  return onlyElement(der)?.tag === TAG.sequence ? der : undefined
}

/** The certificates in a text that is one PEM block of them after another; undefined where anything else is in it, or nothing. */
export function certificatesInPem(text: string): X509Certificate[] | undefined {
  const blocks = text.split(/(?<=-----END CERTIFICATE-----)/).filter((block) => block.trim() !== '')
  const ders = blocks.map((block) => derInPem(block, 'CERTIFICATE'))
  if (ders.length === 0 || ders.includes(undefined)) return undefined
  try {
    return ders.map((der) => new X509Certificate(der!))
  } catch {
    return undefined
  }
}

/** One PEM block, with the line end that other readers need before the next one. */
export function pemOf(der: Uint8Array, label: Label): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')
}
