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

const checks: Readonly<Record<string, Check>> = {
  presented: { because: 'nothing is done there without a token', passes: ({ token }) => token !== undefined },
  absent: { because: 'a token is no credential there', passes: ({ token }) => token === undefined },
  issuer: ofToken('the issuer of the token is not believed there', ({ planned }, args) => planned.iss === args.issuer),
  key: isNot('key retired', 'the key that signed the token is no longer published'),
  signature: isNot('tampered', 'the token is not what its issuer signed'),
  'not-expired': isNot('expired', 'the token has expired'),
  begun: isNot('not yet valid', 'the token is not valid yet'),
  audience: ofToken('the token is for somebody else', ({ planned: { audience } }, { audiences }) =>
    audience.some((uri) => audiences.includes(uri)),
  ),
  bound: isNot('unbound', 'the token is bound to no certificate'),
  binding: ofToken('the token is bound to another certificate', (token, _, facts) => isBoundToConnection(token, facts)),
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
  ),
  node: ofToken(
    'the token is for other nodes',
    ({ state, planned }, args) => state !== 'for another node' && planned.nodes?.includes(args.node) !== false,
  ),
  // Whatever is not exactly as it was minted has no row at the issuer.
  active: ofToken('the issuer does not say that the token is active', ({ state }) => state === 'fresh'),
}

/** A check with which a token cannot fail that is not there. */
function ofToken(because: string, passes: (token: TokenFact, args: Args, facts: Facts) => boolean): Check {
  return {
    because,
    passes: (facts, args: Args) => !isToken(facts.token) || passes(facts.token, args, facts),
  }
}

function isToken(fact: Fact | undefined): fact is TokenFact {
  return fact?.planned.kind === 'bound-token'
}

function isNot(state: SpoiledToken, because: string): Check {
  return ofToken(because, (token) => token.state !== state)
}

function isBoundToConnection({ state, planned }: TokenFact, { certificate }: Facts): boolean {
  if (state === 'unbound') return true
  if (state === 'bound elsewhere' || certificate === undefined) return false
  const isItsOwn = certificate.state === 'fresh' && certificate.planned.name === planned.boundTo
  return state === 'bound to the presenter' || isItsOwn
}

export const tokenChecks: Checked = { spoiledBeside: 'everything', states, absent: 'no token', checks }
