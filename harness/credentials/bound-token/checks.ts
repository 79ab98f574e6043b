import { namesOf } from '../certificate/checks.ts'
import type { Check, Checked, Fact, Facts, State } from '../checks.ts'
import type { PlanBoundToken } from './planned.ts'

const states = {
  fresh: { text: (name) => name },
  expired: spoiled('expired'),
  'not yet valid': spoiled('not yet valid'),
  revoked: spoiled('revoked'),
  'key retired': { ...spoiled('key retired', 'its keys were read once'), forGood: 'its key was retired' },
  tampered: spoiled('tampered'),
  'naming another issuer': spoiled('naming another issuer', 'nobody looks at that'),
  unbound: spoiled('unbound'),
  /** To a certificate that nobody presents. */
  'bound elsewhere': spoiled('bound elsewhere'),
  /** To the very certificate that is presented, whoever's it is. */
  'bound to the presenter': spoiled('bound to the presenter'),
  'without scope': spoiled('without scope', 'nobody looks at that'),
  /** Its list of nodes names another one. */
  'for another node': spoiled('for another node', 'nobody looks at that'),
} satisfies Record<string, State>

export type SpoiledToken = Exclude<keyof typeof states, 'fresh'>

function spoiled(state: string, unnoticed = 'its issuer is not asked'): State {
  return { text: (name) => `${name}, ${state}`, unnoticed }
}

type TokenFact = Fact & { readonly planned: PlanBoundToken }

/** What the checks of a token compare with: each its own. */
interface Args {
  issuer: string
  audiences: readonly string[]
  /** By `sub`: whom a token may speak for, with the name and the trust domain that the certificate must have then. */
  subjects: readonly string[]
  sans: Readonly<Record<string, string>>
  domains: Readonly<Record<string, string>>
  disabled: readonly string[]
  scope: string
  node: string
}

/** What a target does not do at which a stolen token works. */
export const unboundMeans = {
  means: 'nobody compares cnf of the token with the certificate of the connection',
  clause: 'RFC 8705 section 3',
}

const checks: Readonly<Record<string, Check>> = {
  presented: {
    because: 'nothing is done there without a token',
    unmade: { means: 'nobody asks for a token', clause: 'RFC 6750 section 3' },
    passes: ({ token }) => token !== undefined,
  },
  absent: { because: 'a token is no credential there', passes: ({ token }) => token === undefined },
  issuer: ofToken(
    'the issuer of the token is not believed there',
    ({ state, planned }, args) => state !== 'naming another issuer' && planned.iss === args.issuer,
    { means: 'nobody compares iss with the issuer that is believed there', clause: 'RFC 9068 section 4' },
  ),
  key: isNot('key retired', 'the key that signed the token is no longer published', {
    means: 'keys that the issuer no longer publishes are still believed',
    clause: 'RFC 8414 section 2',
  }),
  signature: isNot('tampered', 'the token is not what its issuer signed', {
    means: 'nobody verifies the signature of the token',
    clause: 'RFC 7515 section 5.2',
  }),
  'not-expired': isNot('expired', 'the token has expired', {
    means: 'nobody compares exp with the clock',
    clause: 'RFC 7519 section 4.1.4',
  }),
  begun: isNot('not yet valid', 'the token is not valid yet', {
    means: 'nobody compares nbf with the clock',
    clause: 'RFC 7519 section 4.1.5',
  }),
  audience: ofToken(
    'the token is for somebody else',
    ({ planned: { audience } }, { audiences }) => audience.some((uri) => audiences.includes(uri)),
    { means: 'nobody compares aud with the audience of the target', clause: 'RFC 9068 section 4' },
  ),
  bound: isNot('unbound', 'the token is bound to no certificate', {
    means: 'tokens without cnf["x5t#S256"] are let in as if they were bound',
    clause: 'RFC 8705 section 3',
  }),
  binding: ofToken(
    'the token is bound to another certificate',
    (token, _, facts) => isBoundToConnection(token, facts),
    unboundMeans,
  ),
  'caller-known': ofToken('the token speaks for nobody who is known there', ({ planned }, { subjects }) =>
    subjects.includes(planned.subject),
  ),
  'caller-name': ofToken(
    'the certificate names another than the caller',
    ({ planned: { subject } }, { sans }, { certificate }) =>
      !Object.hasOwn(sans, subject) || namesOf(certificate).includes(sans[subject]!),
  ),
  'caller-domain': ofToken(
    'the certificate comes from another trust domain than the caller',
    ({ planned: { subject } }, { domains }, { certificate }) =>
      !Object.hasOwn(domains, subject) || certificate?.domain === domains[subject],
  ),
  'caller-enabled': ofToken(
    'the caller is switched off there',
    ({ planned }, args) => !args.disabled.includes(planned.subject),
  ),
  scope: ofToken(
    'the token does not grant that',
    ({ state, planned }, args) => state !== 'without scope' && planned.scope.includes(args.scope),
    { means: 'nobody looks whether the token grants the scope', clause: 'RFC 6750 section 3.1' },
  ),
  node: ofToken(
    'the token is for other nodes',
    ({ state, planned }, args) => state !== 'for another node' && planned.nodes?.includes(args.node) !== false,
  ),
  // Whatever is not exactly as it was minted has no row at the issuer.
  active: ofToken('the issuer does not say that the token is active', ({ state }) => state === 'fresh', {
    means: 'nobody asks the issuer whether the token is active, or hears its answer',
    clause: 'RFC 7662 section 4',
  }),
}

/** A check with which a token cannot fail that is not there. */
function ofToken(
  because: string,
  passes: (token: TokenFact, args: Args, facts: Facts) => boolean,
  unmade?: Check['unmade'],
): Check {
  return {
    because,
    unmade,
    passes: (facts, args: Args) => !isToken(facts.token) || passes(facts.token, args, facts),
  }
}

function isToken(fact: Fact | undefined): fact is TokenFact {
  return fact?.planned.kind === 'bound-token'
}

function isNot(state: SpoiledToken, because: string, unmade: Check['unmade']): Check {
  return ofToken(because, (token) => token.state !== state, unmade)
}

function isBoundToConnection({ state, planned }: TokenFact, { certificate }: Facts): boolean {
  if (state === 'unbound') return true
  if (state === 'bound elsewhere' || certificate === undefined) return false
  const isItsOwn = certificate.state === 'fresh' && certificate.planned.name === planned.boundTo
  return state === 'bound to the presenter' || isItsOwn
}

export const tokenChecks: Checked = { spoiledBeside: 'everything', states, absent: 'no token', checks }
