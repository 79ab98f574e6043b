import { request } from '../agent/https-request.ts'
import { HoldfastError } from '../errors.ts'

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
  const url = `${options.url}/1.0/sign`
  const answer = await request({
    method: 'POST',
    url,
    address: options.resolveTo,
    tls: { ca: options.anchorPem },
    json: { csr: options.csrPem, ott: options.ott, notAfter: `${options.lifetimeSeconds}s` },
    timeoutMs: 10_000,
  })
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
