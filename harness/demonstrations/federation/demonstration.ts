import type { Demonstrated } from '../demonstration.ts'
import type { Demonstration } from '../derived.ts'
import { steps } from './shown-steps.ts'

// What B lends to A, and to nobody else: calls at B, then what they left.

const lending = { from: 'gateway-a', to: 'gateway-b' }
const list = { ...lending, action: 'federation:list/tasks' }
const denied = { status: 403, error: 'forbidden' } as const

const enrolled: Demonstrated = {
  ...lending,
  action: 'enrolment:redeem',
  presents: 'enrol: an invitation that B made, and a key of its own',
  credential: (named) => named('invitation'),
  expected: 'accepted',
  because: 'B has the key certified, for one grant and one user of its own',
}

const listed: Demonstrated = {
  ...list,
  presents: 'list within scope: tasks, with its certificate for scope-a',
  credential: (named) => named('scope-a'),
  expected: 'accepted',
  because: 'scope-a lends tasks, as far as alice sees them at B',
}

const ofScopeC: Demonstrated = {
  ...list,
  presents: 'list within scope: tasks, with its certificate for scope-c',
  credential: (named) => named('scope-c'),
  expected: 'accepted',
  because: 'scope-c lends tasks',
}

/** The certificate of scope-a with one thing wrong, where the one that is right was let in. */
function spoiled(state: string, presents: string, expected: Demonstrated['expected'], because: string): Demonstrated {
  const credential: Demonstrated['credential'] = (named) =>
    named.of({
      ...{ target: list.to, action: list.action, name: `scope-a ${state}` },
      presents: { certificate: { credential: 'scope-a', state } },
      expected: { verdict: 'accepted', because: 'nobody looks at this' },
      fails: [],
    })
  return { ...list, presents, credential, expected, because, beside: listed }
}

const calls: readonly Demonstrated[] = [
  enrolled,
  listed,
  ofScopeC,
  {
    ...lending,
    action: 'federation:list/credentials',
    presents: 'excluded resource: credentials, with the same certificate for scope-c',
    credential: (named) => named('scope-c'),
    expected: { status: 403, error: 'scope_violation', reason: 'resource_excluded' },
    because: 'scope-c names credentials, and excludes them all the same',
    beside: ofScopeC,
  },
  spoiled(
    'of an unknown CA',
    'other CA: equal in all that it says, signed by somebody else',
    { reason: 'cert_untrusted' },
    'the connection ends before any request',
  ),
  spoiled(
    'revoked',
    'revoked: a certificate that was good until its grant was revoked',
    { reason: 'cert_revoked' },
    'the list of the CA names it, and B holds every handshake against that list',
  ),
  spoiled(
    'of a grant that nobody gave',
    'forged OID: of the right CA, naming a grant that B never gave',
    { ...denied, reason: 'grant_unknown' },
    'the CA vouches for no grant: B looks it up',
  ),
  spoiled(
    'of another user',
    'subject swapped: of the right CA, its own grant, another user of B',
    { ...denied, reason: 'subject_mismatch' },
    'a grant is for one user, whatever the certificate says',
  ),
  spoiled(
    'unregistered',
    'forged whole: of the right CA, its own grant and user; B never saw it',
    { ...denied, reason: 'cert_unregistered' },
    'who has the key of the CA has no grant yet: B has a register of its own',
  ),
]

export const federationDemonstration: Demonstration = { calls, verifiable: { steps, defects: [] } }
