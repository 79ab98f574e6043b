import type { Check, Checked, Fact, Facts, State } from '../checks.ts'
import { isLent, isSeen, type Row } from './lent.ts'
import type { PlanFederationGrant } from './planned.ts'

/** Certificates that no lender had signed, by whoever has the key of its CA: each with one thing wrong beside that nobody knows it. */
const forged = {
  'of an unknown CA': spoiled('of an unknown CA'),
  expired: spoiled('that has expired'),
  'not yet valid': spoiled('that is not valid yet'),
  'for servers': spoiled('for servers'),
  'for clients and servers': spoiled('for clients and servers'),
  'of another provisioner': spoiled('that another provisioner had signed'),
  'naming no grant': spoiled('that names no grant'),
  'naming two grants': spoiled('that names two grants'),
  'naming a garbled grant': spoiled('that names a garbled grant'),
  'naming no user': spoiled('that names no user'),
  'naming two users': spoiled('that names two users'),
  'naming a garbled user': spoiled('that names a garbled user'),
  'of a grant that nobody gave': spoiled('of a grant that nobody gave'),
  'of a pending grant': spoiled('of a grant that is pending'),
  'of a revoked grant': spoiled('of a grant that was revoked'),
  'of an expired grant': spoiled('of a grant that has expired'),
  'of another user': spoiled('that names another user'),
  'under another name': spoiled('under the name of another peer'),
  unregistered: spoiled('that its lender never saw'),
} satisfies Record<string, State>

/** Those that their lender had signed. */
const issued = {
  fresh: { text: (name) => name },
  /** Its grant is, and the list says so. */
  revoked: spoiled('that is revoked'),
  superseded: spoiled('whose successor was used long enough ago'),
  'of a disabled user': spoiled('of a user who is disabled'),
} satisfies Record<string, State>

export type SpoiledGrant = keyof typeof forged | Exclude<keyof typeof issued, 'fresh'>

function spoiled(how: string): State {
  return { text: (name) => `one like ${name} ${how}`, unnoticed: 'nobody looks at that' }
}

type GrantFact = Fact & { readonly planned: PlanFederationGrant }

const checks: Readonly<Record<string, Check>> = {
  presented: {
    because: 'without a certificate the connection ends before any request',
    unmade: { means: 'no certificate is demanded of callers', clause: 'RFC 8446 section 4.4.2.4' },
    passes: ({ certificate }) => certificate !== undefined,
  },
  trusted: {
    because: 'the CA of the certificate is not trusted there',
    unmade: { means: 'nobody verifies that the certificate leads to the trusted root', clause: 'RFC 5280 section 6.1' },
    passes: ofOne(({ state, domain }, { anchors }: { anchors: readonly string[] }) => {
      return state !== 'of an unknown CA' && anchors.includes(domain)
    }),
  },
  'not-expired': isNone('the certificate has expired', ['expired']),
  begun: isNone('the certificate is not valid yet', ['not yet valid']),
  'for-clients': {
    because: 'the certificate is for servers alone',
    passes: ofOne(({ planned, state }) => {
      const isForServers = planned.kind === 'certificate' && planned.usages?.includes('clientAuth') === false
      return !isForServers && state !== 'for servers'
    }),
  },
  'not-revoked': isNone('the certificate is on the list of those that were revoked', ['revoked']),
  profile: {
    because: 'the certificate is not for clients and nothing else, of one name',
    passes: ofOne(({ planned, state }) => planned.kind !== 'certificate' && state !== 'for clients and servers'),
  },
  provisioner: isNone('another provisioner than that of grants had it signed', ['of another provisioner']),
  'names-a-grant': isNone('the certificate names no grant', ['naming no grant']),
  'names-one-grant': isNone('the certificate names two grants', ['naming two grants']),
  'names-a-grant-rightly': isNone('the grant in the certificate cannot be read', ['naming a garbled grant']),
  'names-a-user': isNone('the certificate names no user', ['naming no user']),
  'names-one-user': isNone('the certificate names two users', ['naming two users']),
  'names-a-user-rightly': isNone('the user in the certificate cannot be read', ['naming a garbled user']),
  known: isNone('nobody gave that grant', ['of a grant that nobody gave']),
  activated: isNone('nobody enrolled for that grant', ['of a pending grant']),
  alive: isNone('the grant was revoked', ['of a revoked grant', 'revoked']),
  current: isNone('the grant has expired', ['of an expired grant']),
  user: isNone('the grant is for another user', ['of another user']),
  peer: isNone('the grant is for a peer of another name', ['under another name']),
  registered: {
    because: 'the lender has not registered the certificate: others have the key of the CA, too',
    passes: ofGrant(({ state }) => !Object.hasOwn(forged, state)),
  },
  'not-superseded': isNone('the successor of the certificate was used long enough ago', ['superseded']),
  enabled: isNone('the user of the grant is disabled', ['of a disabled user']),
  'not-excluded': {
    because: 'the scope excludes the resource',
    passes: ofGrant(
      ({ planned: { document } }, { resource }: Args) => !document.excluded_resources?.includes(resource),
    ),
  },
  granted: {
    because: 'the scope does not grant the resource',
    passes: ofGrant(({ planned: { document } }, { resource }: Args) => document.resources.includes(resource)),
  },
  permitted: {
    because: 'the resource was taken away from the user of the grant',
    passes: ofGrant(({ planned: { user } }, { resource }: Args) => user.denied?.includes(resource) !== true),
  },
  seen: {
    because: 'the user of the grant does not see the row',
    passes: ofGrant(({ planned: { user } }, { resource, row }: RowArgs) => isSeen(resource, row, user)),
  },
  lent: {
    because: 'the scope does not lend the row',
    passes: ofGrant(({ planned: { user, document } }, { resource, row }: RowArgs) => {
      return isLent(resource, row, document, user)
    }),
  },
}

interface Args {
  resource: string
}
interface RowArgs extends Args {
  row: Row
}

/** A check with which a certificate cannot fail that is not there. */
function ofOne<Given>(passes: (fact: Fact, args: Given) => boolean): Check['passes'] {
  return ({ certificate }: Facts, args: Given) => certificate === undefined || passes(certificate, args)
}

/** The same of those that are for a grant at all. */
function ofGrant<Given>(passes: (fact: GrantFact, args: Given) => boolean): Check['passes'] {
  return ofOne((fact, args: Given) => !isGrant(fact) || passes(fact, args))
}

function isGrant(fact: Fact): fact is GrantFact {
  return fact.planned.kind === 'federation-grant'
}

function isNone(because: string, wrong: readonly string[]): Check {
  return { because, passes: ofOne(({ state }) => !wrong.includes(state)) }
}

export const grantChecks: Checked = {
  spoiledBeside: 'everything',
  states: { ...issued, ...forged },
  absent: 'without a certificate',
  checks,
}
