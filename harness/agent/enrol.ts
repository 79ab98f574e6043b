import { HoldfastError } from '../errors.ts'
import type { Identity } from '../pki/certificate.ts'
import { request } from './https-request.ts'

/** The CA refused a request. Code `HOLDFAST_ENROL_REFUSED`. */
export class EnrolmentRefused extends HoldfastError {
  readonly status: number

  constructor(url: string, status: number, message: string) {
    super(
      'HOLDFAST_ENROL_REFUSED',
      `${url} answered ${status} instead of 201 (${message}); check names, lifetime and one-time token of the request`,
    )
    this.status = status
  }
}

export interface SignRequest {
  /** `https://<host>:<port>` of the CA. */
  url: string
  /** Address of the host in `url`; without it the name is looked up. */
  resolveTo?: string
  /** The root that the CA's own certificate must chain to. */
  anchorPem: string
  csrPem: string
  /** One-time token. */
  ott: string
  lifetimeSeconds: number
}

/** Has a CSR signed by a step-ca (`POST /1.0/sign`). `certPem` is the leaf, then the intermediates. */
export async function signAtCa(options: SignRequest): Promise<{ certPem: string }> {
  const { csrPem: csr, ott, lifetimeSeconds, anchorPem: ca } = options
  return certifiedBy({
    ...options,
    path: '/1.0/sign',
    tls: { ca },
    json: { csr, ott, notAfter: `${lifetimeSeconds}s` },
  })
}

export interface RenewRequest extends Pick<SignRequest, 'url' | 'resolveTo' | 'anchorPem'> {
  /** What is renewed; its key stays. */
  identity: Identity
}

/** Has a certificate renewed by its step-ca over mutual TLS (`POST /1.0/renew`). `certPem` is the leaf, then the intermediates. */
export async function renewAtCa(options: RenewRequest): Promise<{ certPem: string }> {
  const { certPem: cert, keyPem: key } = options.identity
  return certifiedBy({ ...options, path: '/1.0/renew', tls: { ca: options.anchorPem, cert, key } })
}

async function certifiedBy(call: {
  url: string
  path: string
  resolveTo?: string
  tls: { ca: string; cert?: string; key?: string }
  json?: unknown
}): Promise<{ certPem: string }> {
  const url = `${call.url}${call.path}`
  const { tls, json } = call
  const answer = await request({ method: 'POST', url, address: call.resolveTo, tls, json, timeoutMs: 10_000 })
  if (answer.status !== 201) throw new EnrolmentRefused(url, answer.status, reasonIn(answer.text))
  const { certChain } = JSON.parse(answer.text) as { certChain: string[] }
  return { certPem: certChain.map((certificate) => `${certificate.trimEnd()}\n`).join('') }
}

function reasonIn(text: string): string {
  try {
    return (JSON.parse(text) as { message: string }).message
  } catch {
    return 'no JSON body'
  }
}
