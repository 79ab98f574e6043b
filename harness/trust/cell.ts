import type { CheckName, VerificationCheck } from '../topology/verification.ts'

/** What was done to a token before it is presented. */
export type TokenState =
  | 'fresh'
  | 'expired'
  | 'not yet valid'
  | 'revoked'
  | 'key retired'
  | 'tampered'
  | 'unbound'
  /** To a certificate that nobody presents. */
  | 'bound elsewhere'
  /** To the very certificate that is presented, whoever's it is. */
  | 'bound to the presenter'
  | 'without scope'
  /** Its list of nodes names another one. */
  | 'for another node'

export const tokenStates: readonly TokenState[] = [
  ...(['fresh', 'expired', 'not yet valid', 'revoked', 'key retired'] as const),
  ...(['tampered', 'unbound', 'bound elsewhere', 'bound to the presenter'] as const),
  ...(['without scope', 'for another node'] as const),
]

/** The certificate of a connection: one of the plan, one like it that is spoiled, or none. */
export type PresentedCertificate =
  /** `as`: whose it is, seen from the token: the one that it is bound to, or another one. */
  | { is: 'own' | 'of another'; credential: string }
  /** With the names of that credential, and from a CA that nobody trusts, or past its end. */
  | { is: 'of an unknown CA' | 'expired'; credential: string }
  | { is: 'none' }

/** One call that somebody could try: who presents what, where, for which action; and what must come of it. */
export interface Cell {
  target: string
  action: string
  /** Absent: no token is presented. */
  token?: { credential: string; state: TokenState }
  certificate: PresentedCertificate
  expected: ExpectedVerdict
  /** Every check that would refuse it, in the order of the target: the first one decides. Empty when it is accepted. */
  fails: CheckName[]
}

export type ExpectedVerdict =
  | { verdict: 'accepted'; because: AcceptedBecause }
  | ({ verdict: 'refused' } & Omit<VerificationCheck, 'check'>)

export type AcceptedBecause =
  /** The topology says so. */
  | 'accepts'
  /** The certificate alone is enough. */
  | 'operator'
  /** Nobody asks the issuer whether it minted the token, and whether it ended it. */
  | 'not asked'
  /** The target reads the key set of its issuer once. */
  | 'key kept'
  /** The target does not look at what is wrong with the token. */
  | 'not looked at'

/** `peer-b-to-a, revoked, over cert-node-b`. */
export function presentedText({ token, certificate }: Pick<Cell, 'token' | 'certificate'>): string {
  if (token === undefined) return `no token, ${certificateText(certificate)}`
  const state = token.state === 'fresh' ? '' : ` ${token.state},`
  return `${token.credential},${state} ${certificateText(certificate)}`
}

/** `refused 401 invalid_token, reason token_inactive (token.active)`. */
export function expectedText(expected: ExpectedVerdict): string {
  if (expected.verdict === 'accepted') return `accepted${noteText(expected.because)}`
  const { layer, status, error, reason, guard } = expected
  const answer = layer === 'tls' ? ['at TLS'] : [status, error].filter((part) => part !== null)
  return `refused ${answer.join(' ')}, reason ${reason} (${guard})`
}

function certificateText(certificate: PresentedCertificate): string {
  switch (certificate.is) {
    case 'none':
      return 'without a certificate'
    case 'of an unknown CA':
      return `over a certificate like ${certificate.credential} of an unknown CA`
    case 'expired':
      return `over a certificate like ${certificate.credential} that has expired`
    default:
      return `over ${certificate.credential}`
  }
}

function noteText(because: AcceptedBecause): string {
  return notes[because]
}

const notes: Readonly<Record<AcceptedBecause, string>> = {
  accepts: '',
  operator: ' as operator',
  'not asked': ', for the issuer is not asked',
  'key kept': ', for its keys were read once',
  'not looked at': ', for nobody looks at that',
}
