import { expect, test } from 'vitest'
import { z } from 'zod'
import type { Row, Subject } from '../../credentials/federation-grant/lent.ts'
import { compile, credentialKinds, kinds } from '../../shipped.ts'
import { defineKind } from '../../topology/kind.ts'
import type { TopologyDeclaration } from '../../topology/schema.ts'
import { cellText } from '../../trust/cell.ts'
import { deriveMatrix } from '../../trust/matrix.ts'
import { lendingActions, lendingVerification } from './lending.ts'

const tenant = 'acme'
const alice: Subject = { id: 'u-alice', tenant, teams: { t1: 'member', t2: 'maintainer' } }
const rows: Readonly<Record<string, Readonly<Record<string, Row>>>> = {
  tasks: {
    'of-alice': { id: 'r-1', owner: 'u-alice' },
    'of-t1': { id: 'r-2', owner: 'u-bob', team: 't1' },
  },
}
const scopes = {
  'scope-a': { resources: ['tasks', 'notes'] },
  'scope-b': { resources: ['tasks'], filters: { tasks: { include_teams: ['t1'], include_personal: false } } },
  'scope-c': { resources: ['tasks', 'credentials'], excluded_resources: ['credentials'] },
  all: { resources: ['tasks', 'notes', 'memory', 'credentials', 'teams', 'users'] },
}

/** A gateway that lends, and is nothing else. */
const lender = defineKind({
  name: 'lender',
  summary: 'lends',
  settings: z.strictObject({}),
  plan: ({ domain }) => {
    const lending = { listener: 'federation', anchors: [domain], rows }
    return {
      summary: 'lends',
      files: [],
      service: {
        ready: { tcp: { port: 8444 } },
        listeners: [{ name: 'federation', port: 8444, protocol: 'https', clientCertificate: 'required' }],
      },
      actions: lendingActions(lending),
      verification: lendingVerification(lending),
    }
  },
  offers: {
    'federation-grant': () => ({
      ...{ url: 'https://gateway-b.test:8443', lends: 'https://gateway-b.test:8444', operatorToken: '@{dir}/token' },
      ...{ signer: 'ca', oids: { grant: '1.3.6.1.4.1.99999.1', subject: '1.3.6.1.4.1.99999.2' }, overlapSeconds: 60 },
      ...{ subjects: { alice, erin: { id: 'u-erin', tenant, teams: {}, denied: ['notes'] } }, scopes },
      lifetimeSeconds: 300,
    }),
  },
})

const listed = ['tasks', 'notes', 'memory', 'credentials', 'teams', 'users']
const grants: Readonly<Record<string, readonly string[]>> = {
  'scope-a': ['tasks', 'notes'],
  'scope-b': ['tasks'],
  'scope-c': ['tasks'],
  all: listed,
  denied: ['tasks'],
}

function topology(changed: Record<string, object> = {}): TopologyDeclaration {
  const grant = (subject: string, scope: string, holder = 'gateway-a') => {
    return { kind: 'federation-grant', issuer: 'gateway-b', subject, scope, holder, handover: 'mint' }
  }
  const names = Object.keys(grants)
  const declared = names.map((name) => [name, name === 'denied' ? grant('erin', 'scope-a') : grant('alice', name)])
  const accept = (action: string, credential: readonly string[]) => ({ target: 'gateway-b', action, credential })
  const lending = (resource: string) => names.filter((name) => grants[name]!.includes(resource))
  return {
    name: 'made-up',
    summary: 'one lends, one asks',
    trustDomains: { org: { ca: 'ca' } },
    nodes: {
      ca: { host: 'ca.test', domain: 'org', units: { ca: { kind: 'step-ca' } } },
      'gateway-a': { host: 'gateway-a.test', domain: 'org', units: {} },
      'gateway-b': { host: 'gateway-b.test', domain: 'org', units: { gateway: { kind: 'lender' } } },
    },
    credentials: { ...Object.fromEntries(declared), ...changed },
    accepts: [
      accept('federation:capabilities', names),
      ...listed.flatMap((one) => ['list', 'search'].map((verb) => accept(`federation:${verb}/${one}`, lending(one)))),
      accept('federation:get/tasks/of-alice', ['scope-a', 'scope-c', 'all']),
      accept('federation:get/tasks/of-t1', ['scope-a', 'scope-b', 'scope-c', 'all']),
    ],
  } as unknown as TopologyDeclaration
}

const compiled = (value: TopologyDeclaration) => compile(value, { kinds: new Map([...kinds, ['lender', lender]]) })
const { classes } = deriveMatrix(compiled(topology()), credentialKinds)

/** The refusals of one action: what is presented, and the verdict. */
function refusals(action: string): Record<string, string> {
  const own = classes.filter(({ representative }) => representative.action === action)
  const refused = own.filter(({ representative: { expected } }) => expected.verdict === 'refused')
  return Object.fromEntries(refused.map(({ representative: { name, expected } }) => [name, cellText(expected)]))
}

test('each certificate that is none, or that of no grant in force, is refused for its own reason', () => {
  expect(refusals('federation:capabilities')).toMatchInlineSnapshot(`
    {
      "one like scope-a for clients and servers": "refused 401 unauthorized, reason cert_profile (cert.profile)",
      "one like scope-a for servers": "refused at TLS, reason cert_eku_invalid (tls.chain)",
      "one like scope-a of a grant that has expired": "refused 403 forbidden, reason grant_expired (grant.status)",
      "one like scope-a of a grant that is pending": "refused 403 forbidden, reason grant_pending (grant.status)",
      "one like scope-a of a grant that nobody gave": "refused 403 forbidden, reason grant_unknown (grant.known)",
      "one like scope-a of a grant that was revoked": "refused 403 forbidden, reason grant_revoked (grant.status)",
      "one like scope-a of a user who is disabled": "refused 403 forbidden, reason subject_disabled (grant.user)",
      "one like scope-a of an unknown CA": "refused at TLS, reason cert_untrusted (tls.chain)",
      "one like scope-a that another provisioner had signed": "refused 401 unauthorized, reason cert_provisioner (cert.provisioner)",
      "one like scope-a that has expired": "refused at TLS, reason cert_expired (tls.chain)",
      "one like scope-a that is not valid yet": "refused at TLS, reason cert_not_yet_valid (tls.chain)",
      "one like scope-a that is revoked": "refused at TLS, reason cert_revoked (tls.crl)",
      "one like scope-a that its lender never saw": "refused 403 forbidden, reason cert_unregistered (grant.certificate)",
      "one like scope-a that names a garbled grant": "refused 401 unauthorized, reason oid_grant_malformed (cert.oid-grant)",
      "one like scope-a that names a garbled user": "refused 401 unauthorized, reason oid_subject_malformed (cert.oid-subject)",
      "one like scope-a that names another user": "refused 403 forbidden, reason subject_mismatch (grant.subject)",
      "one like scope-a that names no grant": "refused 401 unauthorized, reason oid_grant_missing (cert.oid-grant)",
      "one like scope-a that names no user": "refused 401 unauthorized, reason oid_subject_missing (cert.oid-subject)",
      "one like scope-a that names two grants": "refused 401 unauthorized, reason oid_grant_repeated (cert.oid-grant)",
      "one like scope-a that names two users": "refused 401 unauthorized, reason oid_subject_repeated (cert.oid-subject)",
      "one like scope-a under the name of another peer": "refused 403 forbidden, reason peer_name_mismatch (grant.peer)",
      "one like scope-a whose successor was used long enough ago": "refused 403 forbidden, reason cert_superseded (grant.certificate)",
      "without a certificate": "refused at TLS, reason cert_missing (tls.chain)",
    }
  `)
})

test.each([
  ['federation:list/notes', 'scope-b', 'refused 403 scope_violation, reason resource_not_granted (scope.granted)'],
  ['federation:search/notes', 'denied', 'refused 403 scope_violation, reason rbac_denied (rbac.resource)'],
  ['federation:list/credentials', 'scope-c', 'refused 403 scope_violation, reason resource_excluded (scope.excluded)'],
  ['federation:get/tasks/of-alice', 'scope-b', 'refused 404 not_found, reason row_out_of_scope (scope.rows)'],
  ['federation:get/tasks/of-alice', 'denied', 'refused 404 not_found, reason row_not_visible (scope.rows)'],
])('%s with %s is %s', (action, credential, verdict) => {
  expect(refusals(action)[credential]).toBe(verdict)
})

test('what a certificate is refused for at one verb it is refused for at each, with any resource', () => {
  const ofCertificates = (action: string) =>
    Object.entries(refusals(action)).filter(([name]) => !Object.hasOwn(grants, name))
  const actions = new Set(classes.map(({ representative }) => representative.action))
  expect(actions.size).toBe(1 + 2 * 6 + 2)
  for (const action of actions) {
    const verdicts = ofCertificates(action).map(([, verdict]) => verdict)
    expect(new Set(verdicts)).toEqual(new Set(Object.values(refusals('federation:capabilities'))))
  }
})

test.each([
  ['subject', { subject: 'alicia' }, '"gateway-b" has no user "alicia"; did you mean "alice"?'],
  ['scope', { scope: 'scope-d' }, '"gateway-b" has no scope "scope-d"'],
  ['issuer', { issuer: 'gateway-a' }, '"gateway-a" has no unit that lends rows to peers; name one of gateway-b'],
  ['handover', { handover: 'copy' }, '"copy" does not fit a federation-grant'],
])('a mistake in %s is told with what there is', (member, changed, message) => {
  const own = topology().credentials['scope-a'] as object
  expect(() => compiled(topology({ 'scope-a': { ...own, ...changed } }))).toThrow(
    `credentials.scope-a.${member}: ${message}`,
  )
})
