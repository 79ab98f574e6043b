import type { X509Certificate } from 'node:crypto'
import type { Presented } from '../credentials/parts.ts'
import type { DecisionRecord } from '../evidence/decision.ts'
import { chainOf, thumbprintS256 } from '../pki/certificate.ts'
import type { Answer, AnyProtocol } from '../protocols/spoken.ts'
import { inspectToken } from '../tokens/inspect.ts'
import type { Proof } from '../topology/proof.ts'
import type { GuardOrder } from './guard-order.ts'
import type { Shown } from './shown.ts'

/**
 * What became of one call: what the caller saw, joined with what the far end wrote down about the same connection. What the answer
 * tells can be read of the verdict, too.
 */
export type Verdict = Answer & JoinedCall

interface JoinedCall {
  readonly answer: Answer
  /** What was spoken. */
  readonly protocol: AnyProtocol
  readonly from: string
  readonly to: string
  readonly action: string
  readonly credential: CredentialSummary
  /** Whether the token had to be looked at: it was sent, and the certificate is not that of an operator, for whom it is enough. */
  readonly tokenJudged: boolean
  /** Credentials that the plan says are accepted for this action there. */
  readonly accepts: readonly { readonly credential: string; readonly caller: string }[]
  /** `accepted` only where caller and far end say so. */
  readonly verdict: 'accepted' | 'refused'
  /** Where it was decided, as the far end says; without its record, as far as the caller came. */
  readonly layer: DecisionRecord['layer']
  /** What it rests on: the far end's own record, or something weaker that a foreign target shows. */
  readonly proof: Proof
  /** What a target without decision records showed instead; absent where it writes them. */
  readonly shown?: Shown
  /** Whether the caller got what the action promises. */
  readonly promised: boolean
  readonly reason: string | null
  readonly guard: string | null
  readonly principal: Readonly<Record<string, string>>
  /** The `iss` that the target believes, and what it takes as `aud`, where its kind says so. */
  readonly believes?: { readonly issuer: string; readonly audiences: readonly string[] }
  /** What the target declares of the order of its guards; absent where it does not. */
  readonly guards?: GuardOrder
  /** How often the target asked its issuer about the token since the call began; absent where nobody writes it down. */
  readonly asked?: { readonly issuer: string; readonly times: number }
  /** The far end's record of this connection, and all of them. */
  readonly decision: DecisionRecord | undefined
  readonly decisions: readonly DecisionRecord[]
  /** `address:port` of our end. */
  readonly conn: string
  /** From the first byte to the answer. */
  readonly ms: number
  /** How long the record was waited for. */
  readonly waitedMs: number
  /** The call that differs in one element only and was accepted, or why there is none. */
  readonly control?: Control
  readonly effects: Effects
  /** Secrets that the target wrote down since the call began; named, never shown. */
  readonly leaks: readonly string[]
  /** The same of the answer: what of the presented token came back. */
  readonly answerLeaks: readonly string[]
  /** Where evidence of this test is kept, and what to type to run it again. */
  readonly evidence: string
  readonly again: string
}

/** A positive control, or what came instead of one. */
export interface Control {
  readonly accepted: boolean
  /** The one element in which it differs. */
  readonly element: string
  readonly credential: string
  /** What speaks against it, where it was not accepted. */
  readonly problems: readonly string[]
}

export interface Effects {
  /** Whether the target was looked at before and after. An accepted call is not looked at. */
  readonly observed: boolean
  /** What changed at the target. */
  readonly difference?: string
  /** Why it could not be observed: nobody knows then whether anything changed. */
  readonly failure?: string
  /** That there is nothing to look at: `kind X has no observation`. */
  readonly unobservable?: string
}

export interface CredentialSummary {
  readonly label: string
  /** `x5t#S256` of the presented leaf. */
  readonly thumbprint: string | undefined
  readonly chain: readonly { subject: string; issuer: string; sans: string; notAfter: string; thumbprint: string }[]
  readonly token: TokenSummary | undefined
}

export interface TokenSummary {
  readonly readable: boolean
  readonly header: Readonly<Record<string, unknown>>
  readonly claims: Readonly<Record<string, unknown>>
  /** `cnf["x5t#S256"]`. */
  readonly thumbprint: string | undefined
  readonly jti: string | undefined
}

const longestRead = 16_384

/** Everything about a presented credential that may be shown: never the key, never the token's text. */
export function summaryOfPresented(label: string, presented: Presented): CredentialSummary {
  const chain = presented.certificate ? chainOf(presented.certificate.certPem) : []
  // A token that is made to cost is not read: to write down what is in it would cost the same here.
  const isReadable = presented.token !== undefined && presented.token.length <= longestRead
  const inspected = isReadable ? inspectToken(presented.token ?? '') : undefined
  return {
    label,
    thumbprint: chain[0] && thumbprintOf(chain[0]),
    chain: chain.map((certificate) => ({
      subject: oneLine(certificate.subject),
      issuer: oneLine(certificate.issuer),
      sans: certificate.subjectAltName ?? '',
      notAfter: certificate.validTo,
      thumbprint: thumbprintOf(certificate),
    })),
    token: presented.token === undefined ? undefined : tokenSummary(inspected),
  }
}

function tokenSummary(inspected: ReturnType<typeof inspectToken>): TokenSummary {
  if (inspected === undefined) {
    return { readable: false, header: {}, claims: {}, thumbprint: undefined, jti: undefined }
  }
  return { readable: true, ...inspected }
}

function thumbprintOf(certificate: X509Certificate): string {
  return thumbprintS256(new Uint8Array(certificate.raw))
}

function oneLine(name: string): string {
  return name.replaceAll('\n', ', ')
}
