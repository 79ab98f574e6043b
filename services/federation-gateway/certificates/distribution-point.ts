import type { X509Certificate } from 'node:crypto'
import { AsnConvert } from '@peculiar/asn1-schema'
import * as asn1 from '@peculiar/asn1-x509'
import { certificateForm } from './certificate-form.ts'

/** Where a certificate says that the list of revoked ones is (RFC 5280 section 4.2.1.13): its first https URL; undefined where it names none. */
export function distributionPointOf({ raw }: X509Certificate): string | undefined {
  try {
    const extension = certificateForm(raw).extensions.find(({ oid }) => oid === asn1.id_ce_cRLDistributionPoints)
    if (extension === undefined) return undefined
    const points = [...AsnConvert.parse(extension.value, asn1.CRLDistributionPoints)]
    const names = points.flatMap(({ distributionPoint }) => distributionPoint?.fullName ?? [])
    return names
      .map(({ uniformResourceIdentifier }) => uniformResourceIdentifier)
      .find((url) => URL.parse(url ?? '')?.protocol === 'https:')
  } catch {
    return undefined
  }
}
