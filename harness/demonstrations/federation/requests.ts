import type { EnrolmentAnswer } from '../../../services/federation-gateway/wire/answers.ts'
import { chainOf, type Identity } from '../../pki/certificate.ts'
import { newRequest, type RequestFaults } from '../../pki/request.ts'

/** A request for a certificate, with its key. */
export interface CertificateRequest {
  readonly csrPem: string
  readonly keyPem: string
}

/** What a request that should be refused has otherwise. */
export interface OddRequest extends RequestFaults {
  /** Default: the common name alone. */
  readonly sans?: readonly string[]
}

/** For this name alone, as common name and as DNS name, or with something odd about it. */
export function requestFor(commonName: string, { sans = [commonName], ...faults }: OddRequest = {}) {
  return newRequest({ subject: commonName, sans }, faults) satisfies Promise<CertificateRequest>
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
