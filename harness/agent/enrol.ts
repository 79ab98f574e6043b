import { HoldfastError } from '../errors.ts'
import type { Identity } from '../pki/certificate.ts'
import { type OneRequest, request } from './https-request.ts'

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

/** A step-ca. */
interface Ca {
  /** `https://<host>:<port>` of it. */
  url: string
  /** Address of the host in `url`; without it the name is looked up. */
  resolveTo?: string
  /** How it is reached, where not from here. */
  connect?: OneRequest['connect']
  /** The root that its own certificate must chain to. */
  anchorPem: string
}

/** Leaf, then intermediates. */
type Certified = Pick<Identity, 'certPem'>

/** Has a CSR signed, for a one-time token (`POST /1.0/sign`). */
export function signAtCa(ca: Ca & { csrPem: string; ott: string; lifetimeSeconds: number }): Promise<Certified> {
  return certifiedBy(ca, '/1.0/sign', { json: { csr: ca.csrPem, ott: ca.ott, notAfter: `${ca.lifetimeSeconds}s` } })
}

/** Has a certificate renewed over mutual TLS (`POST /1.0/renew`); its key stays. */
export function renewAtCa(ca: Ca & { identity: Identity }): Promise<Certified> {
  return certifiedBy(ca, '/1.0/renew', { as: ca.identity })
}

async function certifiedBy(
  { url: base, resolveTo: address, connect, anchorPem }: Ca,
  path: string,
  { json, as }: { json?: unknown; as?: Identity },
): Promise<Certified> {
  const url = `${base}${path}`
  const tls = { ca: anchorPem, cert: as?.certPem, key: as?.keyPem }
  const answer = await request({ method: 'POST', url, address, connect, tls, json, timeoutMs: 10_000 })
  if (answer.status !== 201) throw new EnrolmentRefused(url, answer.status, reasonIn(answer.json))
  const { certChain } = JSON.parse(answer.text) as { certChain: string[] }
  return { certPem: certChain.map((certificate) => `${certificate.trimEnd()}\n`).join('') }
}

function reasonIn(json: unknown): string {
  return json === undefined || json === null ? 'no JSON body' : (json as { message: string }).message
}
