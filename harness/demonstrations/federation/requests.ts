import type { EnrolmentAnswer } from '../../../services/federation-gateway/wire/answers.ts'
import { chainOf, type Identity } from '../../pki/certificate.ts'
import { newRequest } from '../../pki/request.ts'

/** A request for a certificate, with its key. */
export interface CertificateRequest {
  readonly csrPem: string
  readonly keyPem: string
}

/** For this name alone, as common name and as DNS name. */
export function requestFor(commonName: string): Promise<CertificateRequest> {
  return newRequest({ subject: commonName, sans: [commonName] })
}

/** What is presented with an answer to it: the leaf, then what it leads to. */
export function identityFrom(
  { certPem, certChainPem }: Pick<EnrolmentAnswer, 'certPem' | 'certChainPem'>,
  keyPem: string,
): Identity {
  const [leaf] = chainOf(certPem)
  const above = chainOf(certChainPem).filter(({ raw }) => !raw.equals(leaf!.raw))
  return { certPem: [leaf, ...above].map((one) => String(one)).join(''), keyPem }
}
