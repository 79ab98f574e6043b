// The x509 package does not load without this polyfill, so it comes first.
import 'reflect-metadata'
import { AsnConvert } from '@peculiar/asn1-schema'
import * as asn1 from '@peculiar/asn1-x509'
import { AuthorityKeyIdentifierExtension, Extension, PemConverter, X509CrlGenerator } from '@peculiar/x509'
import type { SigningAuthority } from './authority.ts'

export interface CrlOptions {
  /** Who signs it. */
  authority: SigningAuthority
  /** Serial numbers in hexadecimal. */
  revoked?: readonly string[]
  /** It should grow. Default: the seconds since 1970. */
  number?: number
  thisUpdate?: Date
  /** Default: an hour after it begins. */
  nextUpdate?: Date
  /** Where it says that it is: OpenSSL applies it to certificates that say the same. Absent: it is for all. */
  url?: string
  /** It says by its name alone who signed it, and so fits whoever else has that name. */
  isByNameAlone?: boolean
}

/** A list of revoked certificates: DER, and PEM under the label that OpenSSL knows. */
export async function newCrl(options: CrlOptions): Promise<{ der: Buffer; pem: string }> {
  const { authority, revoked = [], thisUpdate = new Date(), url, isByNameAlone = false } = options
  const { number = Math.floor(Date.now() / 1000), nextUpdate = new Date(thisUpdate.getTime() + 3_600_000) } = options
  const crl = await X509CrlGenerator.create({
    issuer: authority.certificate.subjectName,
    ...{ thisUpdate, nextUpdate },
    entries: revoked.map((serialNumber) => ({ serialNumber, revocationDate: thisUpdate })),
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    signingKey: authority.key,
    extensions: [
      ...(isByNameAlone ? [] : [await AuthorityKeyIdentifierExtension.create(authority.certificate.publicKey)]),
      new Extension(asn1.id_ce_cRLNumber, false, AsnConvert.serialize(new asn1.CRLNumber(number))),
      ...(url === undefined ? [] : [distributionPoint(url)]),
    ],
  })
  // RFC 7468 section 6: the package writes another label.
  return { der: Buffer.from(crl.rawData), pem: `${PemConverter.encode(crl.rawData, 'X509 CRL')}\n` }
}

function distributionPoint(url: string): Extension {
  const fullName = [new asn1.GeneralName({ uniformResourceIdentifier: url })]
  const point = new asn1.IssuingDistributionPoint({ distributionPoint: new asn1.DistributionPointName({ fullName }) })
  return new Extension(asn1.id_ce_issuingDistributionPoint, true, AsnConvert.serialize(point))
}
