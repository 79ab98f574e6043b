import type { Check, Checked, Fact, State } from '../checks.ts'
import type { Permissions, PlanNatsCreds } from './planned.ts'
import { allows } from './subjects.ts'

const states = {
  fresh: { text: (name) => name },
  expired: spoiled('expired'),
  'not yet valid': spoiled('not yet valid'),
  /** Its payload is another one, its signature stands. */
  tampered: spoiled('tampered'),
  /** By the user's own key. */
  'signed by itself': spoiled('signed by itself'),
  /** With the key of that. */
  'with the JWT of its account': spoiled('with the JWT of its account'),
  'without a key': spoiled('without a key', 'its signature is not asked for'),
  'with another key': spoiled('with another key', 'its signature is not verified'),
  'of another operator': spoiled('of another operator'),
  'naming another account': spoiled('naming another account'),
  'naming no account': spoiled('naming no account'),
  'with permissions of its own': spoiled('with permissions of its own', 'its role is not all that it may'),
  /** By the key that stands for the account itself, and for no role. */
  'signed by its account': spoiled('signed by its account', 'the key of an account signs for it'),
  /** By a key that stands for no role, as are those below: they say more than a role lets a JWT say. Whoever has this one needs no key. */
  'as a bearer': spoiled('as a bearer', 'nobody forbids that'),
  'for WebSockets': spoiled('for WebSockets'),
  'from elsewhere': spoiled('from elsewhere'),
  'at another hour': spoiled('at another hour'),
  revoked: spoiled('revoked'),
} satisfies Record<string, State>

export type SpoiledCreds = Exclude<keyof typeof states, 'fresh'>

function spoiled(state: string, unnoticed = 'nobody looks at that'): State {
  return { text: (name) => `${name}, ${state}`, unnoticed }
}

type CredsFact = Fact & { readonly planned: PlanNatsCreds }

/** What the checks compare with. */
interface Args {
  operator: string
  account: string
  user: string
  /** Users are signed by signing keys alone. */
  isStrict?: boolean
  publish?: string
  subscribe?: string
  /** Account whose users another program gives a role, so that their own says nothing. */
  deferred?: string
}

const checks: Readonly<Record<string, Check>> = {
  presented: {
    because: 'nobody is let in there without credentials',
    unmade: { means: 'somebody is let in without credentials', clause: 'no_auth_user' },
    passes: ({ creds }) => creds !== undefined,
  },
  readable: isNone('the JWT was not signed by whom it names, or is that of no user', [
    ...['tampered', 'signed by itself', 'with the JWT of its account'],
  ]),
  'not-expired': isNone('the JWT of the user has expired', ['expired']),
  begun: isNone('the JWT of the user is not valid yet', ['not yet valid']),
  'account-known': ofCreds('the account is none of the operator that is trusted there', ({ state, planned }, args) => {
    return !['of another operator', 'naming no account'].includes(state) && planned.operator === args.operator
  }),
  'issuer-known': ofCreds('the key that signed the JWT is none of its account', ({ state }, { isStrict }) => {
    return state !== 'naming another account' && !(isStrict && state === 'signed by its account')
  }),
  scoped: ofCreds('the JWT says more than its role', ({ state, planned }) => {
    return planned.hasNoRole || state !== 'with permissions of its own'
  }),
  'not-bearer': isNone('a JWT is not enough there without its key', ['as a bearer']),
  'connection-type': isNone('the user may not connect that way', ['for WebSockets']),
  signed: isNone('the login is not signed', ['without a key']),
  key: isNone('the login is signed by another key', ['with another key']),
  'not-revoked': isNone('the user was revoked', ['revoked']),
  source: isNone('the user may not connect from there', ['from elsewhere']),
  hours: isNone('the user may not connect now', ['at another hour']),
  account: ofCreds('the user is of another account', ({ planned }, args) => planned.account === args.account),
  'not-deferred': {
    ...ofCreds('another program decides about users of that account', ({ planned }, args) => {
      return planned.account !== args.account
    }),
    settled: 'a user about whom no other program decides',
  },
  itself: ofCreds('it is another user than the one who may ask that program', ({ state, planned }, args) => {
    return planned.account !== args.account || (planned.user === args.user && state === 'fresh')
  }),
  may: ofCreds('the role of the user does not hold that', ({ planned: { account, permissions } }, args) => {
    return account === args.deferred || holds(permissions, args)
  }),
  'admitted-may': {
    because: 'the role of whoever is let in with that token does not hold that',
    passes: ({ token }, { role, ...tried }: Args & { role: Permissions }) => {
      if (token?.planned.kind !== 'bound-token') return true
      const { subject } = token.planned
      const own = (subjects: readonly string[]) => subjects.map((one) => one.replaceAll('{{tag(host)}}', subject))
      return holds({ publish: own(role.publish), subscribe: own(role.subscribe) }, tried)
    },
  },
}

function holds(role: Permissions, { publish, subscribe }: Pick<Args, 'publish' | 'subscribe'>): boolean {
  const may = (subject: string | undefined, allowed: readonly string[]) => !subject || allows(allowed, subject)
  return may(publish, role.publish) && may(subscribe, role.subscribe)
}

/** A check with which credentials cannot fail that are not there. */
function ofCreds(because: string, passes: (creds: CredsFact, args: Args) => boolean): Check {
  return { because, passes: ({ creds }, args: Args) => !isCreds(creds) || passes(creds, args) }
}

function isCreds(fact: Fact | undefined): fact is CredsFact {
  return fact?.planned.kind === 'nats-creds'
}

function isNone(because: string, wrong: readonly string[]): Check {
  return ofCreds(because, ({ state }) => !wrong.includes(state))
}

export const credsChecks: Checked = { spoiledBeside: 'everything', states, absent: 'no credentials', checks }
