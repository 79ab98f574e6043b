import type { ActionVerification, CheckName } from '../topology/verification.ts'
import type { PresentedCertificate, TokenState } from './cell.ts'

/** What a target can find out about one call. */
export interface Presented {
  certificate: CertificateFacts
  token: TokenFacts | undefined
}

export interface CertificateFacts {
  is: PresentedCertificate['is']
  /** Trust domain whose CA signed it. */
  domain?: string
  sans: readonly string[]
}

export interface TokenFacts {
  state: TokenState
  issuer: string | undefined
  subject: string
  audience: readonly string[]
  scope: readonly string[]
  /** The nodes at which it may be used; undefined: any. */
  nodes: readonly string[] | undefined
  /** Whether the certificate of the connection is the one that it was minted for. */
  isOverItsOwn: boolean
}

/** Whether the certificate alone is enough, and all checks that would refuse, in order. */
export interface Judgement {
  isOperator: boolean
  fails: CheckName[]
}

/** What a target does with a call. Nothing is read after a connection that TLS has ended. */
export function judge(verification: ActionVerification, presented: Presented): Judgement {
  const failing = verification.order.filter(({ check }) => !passes[check](verification, presented))
  const [first] = failing
  if (first?.layer === 'tls') return { isOperator: false, fails: [first.check] }
  const isOperator = verification.operators.some((name) => presented.certificate.sans.includes(name))
  return { isOperator, fails: isOperator ? [] : failing.map(({ check }) => check) }
}

type Rule = (verification: ActionVerification, presented: Presented) => boolean

/** A rule about a token; without one there is nothing to find fault with. */
const ofToken =
  (rule: (token: TokenFacts, verification: ActionVerification, certificate: CertificateFacts) => boolean): Rule =>
  (verification, { token, certificate }) =>
    token === undefined || rule(token, verification, certificate)

/** A rule about the caller that a token speaks for, once it is one that is known. */
const ofCaller = (
  rule: (caller: ActionVerification['callers'][string], certificate: CertificateFacts) => boolean,
): Rule =>
  ofToken(({ subject }, { callers }, certificate) => {
    const caller = callers[subject]
    return caller === undefined || rule(caller, certificate)
  })

const isNot = (state: TokenState): Rule => ofToken((token) => token.state !== state)

const passes: Readonly<Record<CheckName, Rule>> = {
  'certificate-presented': (_, { certificate }) => certificate.is !== 'none',
  'certificate-trusted': ({ anchors }, { certificate: { is, domain = '' } }) =>
    is === 'none' || (is !== 'of an unknown CA' && anchors.includes(domain)),
  'certificate-not-expired': (_, { certificate }) => certificate.is !== 'expired',
  'operator-bare': (_, { token }) => token !== undefined,
  'operator-bearing': (_, { token }) => token === undefined,
  'token-presented': (_, { token }) => token !== undefined,
  'token-issuer': ofToken((token, { issuer }) => token.issuer === issuer),
  'token-key': isNot('key retired'),
  'token-signature': isNot('tampered'),
  'token-not-expired': isNot('expired'),
  'token-begun': isNot('not yet valid'),
  'token-audience': ofToken((token, { audiences }) => token.audience.some((uri) => audiences.includes(uri))),
  'token-bound': isNot('unbound'),
  'token-binding': ofToken((token, _, certificate) => isBoundToConnection(token, certificate)),
  'caller-known': ofToken(({ subject }, { callers }) => Object.hasOwn(callers, subject)),
  'caller-name': ofCaller(({ san }, { sans }) => sans.includes(san)),
  'caller-anchor': ofCaller(({ domain }, certificate) => domain === undefined || domain === certificate.domain),
  'caller-enabled': ofCaller(({ enabled }) => enabled),
  'token-scope': ofToken(({ state, scope }, demanded) => state !== 'without scope' && scope.includes(demanded.scope)),
  'token-node': ofToken(
    ({ state, nodes }, { node }) => state !== 'for another node' && (nodes?.includes(node) ?? true),
  ),
  // Whatever is not exactly as it was minted has no row at the issuer.
  'token-active': ofToken(({ state }) => state === 'fresh'),
}

function isBoundToConnection({ state, isOverItsOwn }: TokenFacts, certificate: CertificateFacts): boolean {
  if (state === 'unbound') return true
  if (state === 'bound elsewhere' || certificate.is === 'none') return false
  return state === 'bound to the presenter' || isOverItsOwn
}
