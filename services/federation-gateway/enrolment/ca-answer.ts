import { X509Certificate } from 'node:crypto'
import { z } from 'zod'
import { isJson, jsonOf } from '../calls/json.ts'
import { LONGEST_CHAIN } from '../certificates/chain.ts'
import { derInPem, pemOf } from '../certificates/pem.ts'

export type CaErrorCode = 'CA_UNREACHABLE' | 'CA_TIMEOUT' | 'CA_REFUSED' | 'CA_BAD_ANSWER'

const REMEDY: Readonly<Record<CaErrorCode, string>> = {
  CA_UNREACHABLE: 'see that the CA runs and that STEP_CA_URL and its root are right (gateway doctor)',
  CA_TIMEOUT: 'see that the CA is not overloaded, and make a new enrolment token',
  CA_REFUSED: 'see the log of the CA for the reason; provisioner name, key and template must be those that it has',
  CA_BAD_ANSWER: 'see that STEP_CA_URL leads to step-ca itself, and make a new enrolment token',
}

/** A CA that does not give what it was asked for. Neither text nor cause holds a token, a CSR, a key, or a word of its answer. */
export class CaError extends Error {
  readonly code: CaErrorCode
  readonly remedy: string

  constructor(code: CaErrorCode, what: string) {
    super(`${what}; ${REMEDY[code]}`)
    this.name = 'CaError'
    this.code = code
    this.remedy = REMEDY[code]
  }
}

/** What came over the wire. */
export interface CaAnswer {
  readonly status: number
  readonly contentType: string | undefined
  readonly body: Uint8Array
}

export const LARGEST_ANSWER = 256 * 1024
const CREATED = 201

const pem = z.string().min(1)
const signAnswer = z.union([
  z
    .object({
      certChain: z
        .array(pem)
        .min(1)
        .max(LONGEST_CHAIN + 1),
    })
    .transform(({ certChain }) => certChain),
  z.object({ crt: pem, ca: pem, certChain: z.undefined().optional() }).transform(({ crt, ca }) => [crt, ca]),
  z
    .object({ crt: pem, ca: z.undefined().optional(), certChain: z.undefined().optional() })
    .transform(({ crt }) => [crt]),
])

/**
 * Reads the answer to `POST /1.0/sign`: the chain, leaf first, from `certChain`, else `crt` and `ca`, else `crt` alone. Says nothing of
 * whether it is the right one. @throws CaError
 */
export function readSignAnswer({ status, contentType, body }: CaAnswer): X509Certificate[] {
  if (status >= 400) throw new CaError('CA_REFUSED', `the CA answered a request to sign with ${status}`)
  const bad = (what: string) => new CaError('CA_BAD_ANSWER', `the CA answered a request to sign with ${what}`)
  // 200 is not what step-ca says: somebody else has answered.
  if (status !== CREATED) throw bad(`${status}`)
  if (body.length > LARGEST_ANSWER) throw bad(`more than ${LARGEST_ANSWER} bytes`)
  if (!isJson({ headers: { 'content-type': contentType } })) throw bad('what is no JSON')
  const read = signAnswer.safeParse(jsonOf(body))
  const chain = read.success ? read.data.map(certificateOf) : [undefined]
  if (chain.includes(undefined)) throw bad('what holds no certificate that can be read')
  return chain as X509Certificate[]
}

/** Leaf first, each one with its line end, so that it can be read as a chain. */
export function chainPem(chain: readonly X509Certificate[]): string {
  return chain.map(({ raw }) => pemOf(raw, 'CERTIFICATE')).join('')
}

function certificateOf(text: string): X509Certificate | undefined {
  const der = derInPem(text, 'CERTIFICATE')
  try {
    return der && new X509Certificate(der)
  } catch {
    return undefined
  }
}
