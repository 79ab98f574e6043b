import { X509Certificate } from 'node:crypto'
import { AsnConvert } from '@peculiar/asn1-schema'
import { Certificate } from '@peculiar/asn1-x509'
import { issueLeaf, type LeafOptions, type SigningAuthority } from '../../pki/authority.ts'
import type { Identity } from '../../pki/certificate.ts'
import { type RawExtension, textExtension } from '../../pki/step-extensions.ts'

// The certificate of a grant: what its CA writes into it, and the same from somebody who has the key of that CA.

/** Extensions that every certificate has are made anew with it; all else is what the template of the CA adds. */
const ofEveryLeaf = /^2\.5\.29\.(14|15|17|19|35|37)$/

/** What the CA adds to a certificate: where its list is, who had it signed, the grant, the user. */
export function addedIn(certPem: string): RawExtension[] {
  const { extensions = [] } = AsnConvert.parse(new X509Certificate(certPem).raw, Certificate).tbsCertificate
  return [...extensions].flatMap(({ extnID: oid, critical, extnValue }) =>
    ofEveryLeaf.test(oid) ? [] : { oid, critical, der: new Uint8Array(extnValue.buffer) },
  )
}

/** The UUID under an OID, as a template writes it; undefined where there is none. */
export function namedIn(certPem: string, oid: string): string | undefined {
  const found = addedIn(certPem).find((one) => one.oid === oid)
  return found && Buffer.from(found.der.subarray(2)).toString()
}

export function naming(oid: string, uuid: string): RawExtension {
  return textExtension(oid, uuid)
}

/** How a forged certificate differs from the one that it is made after. */
export interface Forgery extends Pick<LeafOptions, 'notBefore' | 'notAfter' | 'eku' | 'isAuthority'> {
  name?: string
  added?: (genuine: readonly RawExtension[]) => readonly RawExtension[]
}

/** One that says what another says but for the forgery, with a key and a serial number of its own. */
export async function forgedAfter(
  certPem: string,
  authority: SigningAuthority,
  { name = nameIn(certPem), added = (all) => all, ...how }: Forgery = {},
): Promise<Identity> {
  const extensions = added(addedIn(certPem))
  const leaf = await issueLeaf({ eku: ['clientAuth'], ...how, authority, subject: name, sans: [name], extensions })
  return { certPem: leaf.certPem, keyPem: leaf.keyPem }
}

export function nameIn(certPem: string): string {
  return /^CN=(.+)$/m.exec(new X509Certificate(certPem).subject)?.[1] ?? ''
}
