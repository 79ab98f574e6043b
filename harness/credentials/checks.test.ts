import { expect, test } from 'vitest'
import { credentialKinds } from '../shipped.ts'
import type { PlanCredential } from '../topology/plan.ts'
import type { Check, Fact, Facts } from './checks.ts'

const issuer = 'https://auth.test'

function fact(planned: object, state = 'fresh', domain = 'org-a'): Fact {
  return { planned: planned as PlanCredential, state, domain }
}

const own = { kind: 'certificate', name: 'cert-b', subject: 'node-b.test', sans: ['node-b.test', 'b.test'] } as const
const minted = {
  kind: 'bound-token',
  name: 'b',
  iss: issuer,
  subject: 'node-b',
  boundTo: 'cert-b',
  audience: ['https://a.test'],
  scope: ['read', 'write'],
} as const
const certificate = fact(own)
const token = fact(minted)
const both: Facts = { certificate, token }

const over = (other: Fact): Facts => ({ ...both, certificate: other })
const using = (planned: object, state?: string): Facts => ({
  ...both,
  token: fact({ ...minted, ...planned }, state),
})
const spoiled = (state: string): Facts => using({}, state)
const another = fact({ ...own, name: 'cert-c' })
const shared = { kind: 'bearer-secret', name: 'club' } as const
const secret = fact(shared)
const guessed = (state: string): Facts => ({ secret: fact(shared, state) })
const worker = {
  ...{ kind: 'nats-creds', name: 'creds', operator: 'HOLO', account: 'WORK', user: 'worker' },
  permissions: { publish: ['work.*.cmd'], subscribe: ['work.>'] },
} as const
const creds = fact(worker)
const userIn = (state: string): Facts => ({ creds: fact(worker, state) })
const userOf = (planned: object, state?: string): Facts => ({ creds: fact({ ...worker, ...planned }, state) })
const ofNobody = (state: string) => over(fact(own, state))

const scope = { resources: ['tasks', 'notes'], filters: { tasks: { include_teams: ['t1'], include_personal: false } } }
const user = { id: 'alice', tenant: 'acme', teams: { t1: 'member', t2: 'maintainer' } } as const
const grant = { kind: 'federation-grant', name: 'scope', document: scope, user } as const
const lent = { certificate: fact(grant) }
const grantIn = (state: string): Facts => ({ certificate: fact(grant, state) })
const grantOf = (planned: object): Facts => ({ certificate: fact({ ...grant, ...planned }) })
/** Passed by all but one state. */
const failedBy = (name: string, state: string, ...others: Facts[]): Row => [
  `federation-grant/${name}`,
  {},
  [{}, lent, both, grantIn(state === 'unregistered' ? 'superseded' : 'unregistered')],
  [grantIn(state), ...others],
]

const invited = { kind: 'enrolment-token', name: 'invitation' } as const
const invitation = { invitation: fact(invited) }
/** Passed by all but some states. */
const refusing = (name: string, ...states: string[]): Row => [
  `enrolment-token/${name}`,
  {},
  [{}, invitation, { invitation: fact(invited, name === 'unused' ? 'expired' : 'used') }],
  states.map((state) => ({ invitation: fact(invited, state) })),
]

type Row = readonly [check: string, args: Record<string, unknown>, passing: Facts[], failing: Facts[]]

/** A check, what it compares with, what passes it, and what does not: each for another reason. */
const table: readonly Row[] = [
  ['certificate/presented', {}, [both, { certificate }, ofNobody('expired')], [{}, { token }]],
  [
    'certificate/trusted',
    { anchors: ['org-x', 'org-a'] },
    [both, {}, { token }, ofNobody('expired')],
    [ofNobody('of an unknown CA'), over(fact(own, 'fresh', 'org-b'))],
  ],
  ['certificate/not-expired', {}, [both, {}, ofNobody('of an unknown CA')], [ofNobody('expired')]],
  [
    'certificate/named',
    { sans: ['operator.test', 'b.test'] },
    [both, over(fact({ ...own, sans: ['b.test'] }))],
    [{}, { token }, over(fact({ ...own, sans: ['node-c.test'] })), over(fact({ ...own, sans: [] }))],
  ],
  ['bound-token/presented', {}, [both, { token }, spoiled('tampered')], [{}, { certificate }]],
  ['bound-token/absent', {}, [{}, { certificate }], [both, { token }]],
  ['bound-token/issuer', { issuer }, [both, {}], [using({ iss: 'https://other.test' }), using({ iss: `${issuer}/` })]],
  ['bound-token/key', {}, [both, {}, spoiled('tampered')], [spoiled('key retired')]],
  ['bound-token/signature', {}, [both, {}, spoiled('key retired')], [spoiled('tampered')]],
  ['bound-token/not-expired', {}, [both, {}, spoiled('not yet valid')], [spoiled('expired')]],
  ['bound-token/begun', {}, [both, {}, spoiled('expired')], [spoiled('not yet valid')]],
  [
    'bound-token/audience',
    { audiences: ['https://peering.test', 'https://a.test'] },
    [both, {}, using({ audience: ['https://x.test', 'https://a.test'] })],
    [using({ audience: ['https://a.test/'] }), using({ audience: [] })],
  ],
  ['bound-token/bound', {}, [both, {}, spoiled('bound elsewhere')], [spoiled('unbound')]],
  [
    'bound-token/binding',
    {},
    // What is bound to nothing is bound to nobody else, with and without a certificate.
    [
      both,
      {},
      { certificate },
      spoiled('unbound'),
      { token: fact(minted, 'unbound') },
      spoiled('bound to the presenter'),
    ].concat([{ token: fact(minted, 'bound to the presenter'), certificate: another }]),
    [
      { token },
      { token: fact(minted, 'bound to the presenter') },
      { token: fact(minted, 'expired') },
      over(another),
      ofNobody('expired'),
      spoiled('bound elsewhere'),
    ],
  ],
  ['bound-token/caller-known', { subjects: ['node-a', 'node-b'] }, [both, {}], [using({ subject: 'node-c' })]],
  [
    'bound-token/caller-name',
    { sans: { 'node-b': 'b.test' } },
    [both, {}, using({ subject: 'node-c' }), using({ subject: 'constructor' })],
    [{ token }, over(fact({ ...own, sans: ['node-b.test'] }))],
  ],
  [
    'bound-token/caller-domain',
    { domains: { 'node-b': 'org-a' } },
    [both, {}, using({ subject: 'node-c' }), using({ subject: 'constructor' })],
    [{ token }, over(fact(own, 'fresh', 'org-b'))],
  ],
  ['bound-token/caller-enabled', { disabled: ['node-c'] }, [both, {}], [using({ subject: 'node-c' })]],
  [
    'bound-token/scope',
    { scope: 'read' },
    [both, {}],
    [spoiled('without scope'), using({ scope: ['write'] }), using({ scope: [] })],
  ],
  [
    'bound-token/node',
    { node: 'node-a' },
    [both, {}, using({ nodes: ['node-x', 'node-a'] })],
    [spoiled('for another node'), using({ nodes: ['node-x'] }), using({ nodes: [] })],
  ],
  ['bound-token/active', {}, [both, {}], [spoiled('revoked'), spoiled('tampered'), spoiled('expired')]],
  ['bearer-secret/well-formed', {}, [{ secret }, {}, both, guessed('another one')], [guessed('empty')]],
  [
    'bearer-secret/presented',
    {},
    [{ secret }, guessed('without its last character')],
    [{}, { certificate }, guessed('empty')],
  ],
  [
    'bearer-secret/not-ended',
    {},
    [{ secret }, {}, both, guessed('second of two'), guessed('empty')],
    [guessed('ended')],
  ],
  [
    'bearer-secret/matches',
    { secrets: ['club', 'guild'] },
    [{ secret }, {}, guessed('second of two'), { secret: fact({ ...shared, name: 'guild' }) }],
    [
      guessed('without its last character'),
      guessed('another one'),
      guessed('empty'),
      guessed('ended'),
      { secret: fact({ ...shared, name: 'other' }) },
    ],
  ],
  ['nats-creds/presented', {}, [{ creds }, userIn('revoked')], [{}, { certificate, token }]],
  [
    'nats-creds/readable',
    {},
    [{ creds }, {}, userIn('expired')],
    [userIn('tampered'), userIn('signed by itself'), userIn('with the JWT of its account')],
  ],
  ['nats-creds/not-expired', {}, [{ creds }, {}, userIn('not yet valid')], [userIn('expired')]],
  ['nats-creds/begun', {}, [{ creds }, {}, userIn('expired')], [userIn('not yet valid')]],
  [
    'nats-creds/account-known',
    { operator: 'HOLO' },
    [{ creds }, {}, userIn('naming another account')],
    [userIn('of another operator'), userIn('naming no account'), userOf({ operator: 'OTHER' })],
  ],
  [
    'nats-creds/issuer-known',
    { isStrict: true },
    [{ creds }, {}, userIn('naming no account'), userIn('with permissions of its own'), userIn('as a bearer')],
    [userIn('naming another account'), userIn('signed by its account')],
  ],
  [
    'nats-creds/scoped',
    {},
    [{ creds }, {}, userIn('as a bearer'), userOf({ hasNoRole: true }, 'with permissions of its own')],
    [userIn('with permissions of its own')],
  ],
  ['nats-creds/not-bearer', {}, [{ creds }, {}, userIn('without a key')], [userIn('as a bearer')]],
  ['nats-creds/connection-type', {}, [{ creds }, {}, userIn('from elsewhere')], [userIn('for WebSockets')]],
  ['nats-creds/signed', {}, [{ creds }, {}, userIn('with another key')], [userIn('without a key')]],
  ['nats-creds/key', {}, [{ creds }, {}, userIn('without a key')], [userIn('with another key')]],
  ['nats-creds/not-revoked', {}, [{ creds }, {}, userIn('expired')], [userIn('revoked')]],
  ['nats-creds/source', {}, [{ creds }, {}, userIn('at another hour')], [userIn('from elsewhere')]],
  ['nats-creds/hours', {}, [{ creds }, {}, userIn('from elsewhere')], [userIn('at another hour')]],
  ['nats-creds/account', { account: 'WORK' }, [{ creds }, {}], [userOf({ account: 'ADMIN' })]],
  ['nats-creds/not-deferred', { account: 'WORK' }, [{}, userOf({ account: 'ADMIN' })], [{ creds }, userIn('expired')]],
  [
    'nats-creds/itself',
    { account: 'WORK', user: worker.user },
    [{}, { creds }, userOf({ account: 'ADMIN' }, 'expired')],
    [userOf({ user: 'other' }), userIn('without a key'), userIn('with permissions of its own')],
  ],
  [
    'nats-creds/may',
    { publish: 'work.a.cmd', deferred: 'AUTH' },
    [{ creds }, {}, userOf({ account: 'AUTH', permissions: { publish: [], subscribe: [] } })],
    [userOf({ permissions: { publish: ['work.*', 'other.>'], subscribe: ['>'] } })],
  ],
  [
    'nats-creds/admitted-may',
    { publish: 'work.a.cmd', role: { publish: ['work.{{tag(host)}}.cmd'], subscribe: [] } },
    [{ creds }, {}, using({ subject: 'a' })],
    [using({ subject: 'b' })],
  ],
  ['federation-grant/presented', {}, [lent, both, grantIn('expired')], [{}, { token }]],
  [
    'federation-grant/trusted',
    { anchors: ['org-x', 'org-a'] },
    [lent, both, {}, grantIn('expired')],
    [grantIn('of an unknown CA'), ofNobody('of an unknown CA'), { certificate: fact(grant, 'fresh', 'org-b') }],
  ],
  failedBy('not-expired', 'expired', ofNobody('expired')),
  failedBy('begun', 'not yet valid'),
  [
    'federation-grant/for-clients',
    {},
    [lent, both, {}, over(fact({ ...own, usages: ['serverAuth', 'clientAuth'] })), grantIn('for clients and servers')],
    [grantIn('for servers'), over(fact({ ...own, usages: ['serverAuth'] }))],
  ],
  failedBy('not-revoked', 'revoked'),
  ['federation-grant/profile', {}, [lent, {}, grantIn('expired')], [both, grantIn('for clients and servers')]],
  failedBy('provisioner', 'of another provisioner'),
  failedBy('names-a-grant', 'naming no grant'),
  failedBy('names-one-grant', 'naming two grants'),
  failedBy('names-a-grant-rightly', 'naming a garbled grant'),
  failedBy('names-a-user', 'naming no user'),
  failedBy('names-one-user', 'naming two users'),
  failedBy('names-a-user-rightly', 'naming a garbled user'),
  failedBy('known', 'of a grant that nobody gave'),
  failedBy('activated', 'of a pending grant'),
  failedBy('alive', 'of a revoked grant', grantIn('revoked')),
  failedBy('current', 'of an expired grant'),
  failedBy('user', 'of another user'),
  failedBy('peer', 'under another name'),
  failedBy('registered', 'unregistered', grantIn('expired'), grantIn('of a pending grant')),
  failedBy('not-superseded', 'superseded'),
  failedBy('enabled', 'of a disabled user'),
  [
    'federation-grant/not-excluded',
    { resource: 'notes' },
    [lent, both, {}, grantOf({ document: { ...scope, excluded_resources: ['tasks'] } })],
    [grantOf({ document: { ...scope, excluded_resources: ['notes'] } })],
  ],
  [
    'federation-grant/granted',
    { resource: 'notes' },
    [lent, both, {}],
    [grantOf({ document: { resources: ['tasks'], excluded_resources: ['notes'] } })],
  ],
  [
    'federation-grant/permitted',
    { resource: 'notes' },
    [lent, both, {}, grantOf({ user: { ...user, denied: ['tasks'] } })],
    [grantOf({ user: { ...user, denied: ['notes'] } })],
  ],
  [
    'federation-grant/seen',
    { resource: 'tasks', row: { id: 'r', owner: 'bob', team: 't2' } },
    [lent, both, {}],
    [grantOf({ user: { ...user, teams: { t1: 'maintainer' } } })],
  ],
  [
    'federation-grant/lent',
    { resource: 'tasks', row: { id: 'r', owner: 'bob', team: 't1' } },
    [lent, both, {}, grantOf({ document: { resources: ['tasks'] } })],
    [grantOf({ document: { ...scope, filters: { tasks: { include_teams: [] } } } })],
  ],
  ['enrolment-token/presented', {}, [invitation, { invitation: fact(invited, 'used') }], [{}, both]],
  refusing('known', 'unknown', 'in upper case', 'cut short'),
  refusing('unused', 'used'),
  refusing('not-expired', 'expired'),
  refusing('grant-alive', 'of a revoked grant'),
  refusing('grant-pending', 'of an active grant'),
  refusing('readable', 'with a garbled request'),
  refusing('strong-key', 'with a weak key'),
  refusing('strong-digest', 'with a weak digest'),
  refusing('signed', 'with a request of another key'),
  refusing('named', 'for another name'),
  refusing('new-key', 'with a key of before'),
]

const checks = new Map<string, Check>(
  credentialKinds.flatMap(({ name: kind, checks }) =>
    Object.entries(checks).map(([name, check]) => [`${kind}/${name}`, check] as const),
  ),
)

test.each(table)('%s', (name, args, passing, failing) => {
  const verdicts = (all: readonly Facts[]) => all.map((facts) => checks.get(name)!.passes(facts, args as never))
  expect(verdicts(passing)).toEqual(passing.map(() => true))
  expect(verdicts(failing)).toEqual(failing.map(() => false))
})

test('each check of each kind is in the table, and says in a sentence why it refuses', () => {
  expect(table.map(([name]) => name)).toEqual([...checks.keys()])
  for (const { because } of checks.values()) expect(because).toMatch(/^[a-z].* .*[a-z]$/)
})
