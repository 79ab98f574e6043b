import { AsnConvert, AsnProp, AsnPropTypes, OctetString } from '@peculiar/asn1-schema'
import * as asn1 from '@peculiar/asn1-x509'

/** What step-ca adds to each certificate: who had it signed. */
export const provisionerOid = '1.3.6.1.4.1.37476.9000.64.1'

/** Of a JWK provisioner. */
const typeJwk = 1

class ProvisionerExtension {
  type = typeJwk
  name = new OctetString()
  key = new OctetString()
}
AsnProp({ type: AsnPropTypes.Integer })(ProvisionerExtension.prototype, 'type')
AsnProp({ type: OctetString })(ProvisionerExtension.prototype, 'name')
AsnProp({ type: OctetString })(ProvisionerExtension.prototype, 'key')

/** An extension as it stands in a certificate. */
export interface RawExtension {
  oid: string
  critical: boolean
  der: Uint8Array
}

export function provisionerExtension({ name, kid }: { name: string; kid: string }): RawExtension {
  const value = new ProvisionerExtension()
  value.name = new OctetString(Buffer.from(name))
  value.key = new OctetString(Buffer.from(kid))
  return { oid: provisionerOid, critical: false, der: new Uint8Array(AsnConvert.serialize(value)) }
}

/** A text as templates write it, of less than 128 bytes. `tag`: by default that of a UTF8String. */
export function textExtension(oid: string, text: string, tag = 0x0c): RawExtension {
  const bytes = Buffer.from(text)
  return { oid, critical: false, der: new Uint8Array([tag, bytes.length, ...bytes]) }
}

/** Where the CRL is. */
export function crlPoint(url: string): RawExtension {
  const fullName = [new asn1.GeneralName({ uniformResourceIdentifier: url })]
  const point = new asn1.DistributionPoint({ distributionPoint: new asn1.DistributionPointName({ fullName }) })
  const der = AsnConvert.serialize(new asn1.CRLDistributionPoints([point]))
  return { oid: asn1.id_ce_cRLDistributionPoints, critical: false, der: new Uint8Array(der) }
}
