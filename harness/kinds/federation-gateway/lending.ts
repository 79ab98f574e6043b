import type { Row } from '../../credentials/federation-grant/lent.ts'
import type { Action } from '../../topology/kind.ts'
import type { ActionVerification, PlannedCheck } from '../../topology/verification.ts'
import { checkOf } from '../checks.ts'
import { resources } from './resources.ts'

// What peers can ask a gateway at the listener at which it lends, and how it judges them: guard and reason of each check, in its order.

const base = '/api/federation/v1'

export interface Lending {
  /** The listener at which it lends. */
  listener: string
  /** Trust domains to whose roots the certificates of peers may lead. */
  anchors: readonly string[]
  /** Rows that are asked for, by resource and a name for each. */
  rows: Readonly<Record<string, Readonly<Record<string, Row>>>>
}

/** Every action, by name. */
export function lendingActions({ listener, rows }: Lending): Readonly<Record<string, Action>> {
  const asking = (summary: string, method: string, path: string, json?: object): Action => {
    const request = { method, path: `${base}${path}`, ...(json && { json }), expect: [200] }
    return { summary, listener, carrier: 'none', request: { http: request } }
  }
  const about = (make: (resource: string) => Action, verb: string) =>
    Object.fromEntries(resources.map((resource) => [`federation:${verb}/${resource}`, make(resource)]))
  return {
    'federation:capabilities': asking('asks what is lent', 'GET', '/capabilities'),
    ...about((one) => asking(`lists ${one}`, 'POST', `/list/${one}`, { limit: 10 }), 'list'),
    ...about((one) => asking(`searches ${one}`, 'POST', '/search', { q: 'plan', resources: [one] }), 'search'),
    ...ofRows(rows, (resource, { id }, name) =>
      asking(`gets ${name} of ${resource}`, 'POST', `/get/${resource}/${id}`, {}),
    ),
  }
}

/** How it judges the callers of each. */
export function lendingVerification(lending: Lending): Readonly<Record<string, ActionVerification>> {
  const judging = (recorded: string, checks: readonly PlannedCheck[] = []): ActionVerification => ({
    takes: [['federation-grant'], ['certificate']],
    checks: [...certificateChecks(lending.anchors), ...grantChecks, ...checks],
    guards: [...guards],
    recordedAs: [`federation:${recorded}`],
  })
  const ofResources = resources.flatMap((one) => [
    [`federation:list/${one}`, judging(`list/${one}`, resourceChecks(one))] as const,
    [`federation:search/${one}`, judging('search', resourceChecks(one))] as const,
  ])
  return {
    'federation:capabilities': judging('capabilities'),
    ...Object.fromEntries(ofResources),
    ...ofRows(lending.rows, (resource, row) =>
      judging(`get/${resource}`, [...resourceChecks(resource), ...rowChecks(resource, row)]),
    ),
  }
}

function ofRows<Made>(rows: Lending['rows'], make: (resource: string, row: Row, name: string) => Made) {
  const all = Object.entries(rows).flatMap(([resource, named]) =>
    Object.entries(named).map(
      ([name, row]) => [`federation:get/${resource}/${name}`, make(resource, row, name)] as const,
    ),
  )
  return Object.fromEntries(all)
}

/** In the order in which they judge. */
const guards = [
  ...['tls.protocol', 'tls.chain', 'tls.crl', 'tls.connections', 'log.writable', 'http.authority'],
  ...['cert.proven', 'cert.live', 'cert.profile', 'cert.provisioner', 'cert.oid-grant', 'cert.oid-subject'],
  ...['rate.leaf', 'store.available', 'grant.known', 'grant.status', 'grant.subject', 'grant.peer'],
  ...['grant.certificate', 'grant.user', 'rate.grant', 'http.route', 'http.body'],
  ...['scope.resource', 'scope.excluded', 'scope.granted', 'rbac.resource', 'scope.rows', 'http.deadline'],
]

const ends = { layer: 'tls', status: null, error: null } as const
const unauthorized = { layer: 'http', status: 401, error: 'unauthorized' } as const
const forbidden = { layer: 'http', status: 403, error: 'forbidden' } as const
const violation = { layer: 'http', status: 403, error: 'scope_violation' } as const
const absent = { layer: 'http', status: 404, error: 'not_found' } as const

const check = checkOf('federation-grant')

/** What is told by the certificate alone. */
function certificateChecks(anchors: readonly string[]): PlannedCheck[] {
  return [
    check('presented', 'tls.chain', 'cert_missing', ends),
    check('trusted', 'tls.chain', 'cert_untrusted', ends, { anchors }),
    check('not-expired', 'tls.chain', 'cert_expired', ends),
    check('begun', 'tls.chain', 'cert_not_yet_valid', ends),
    check('for-clients', 'tls.chain', 'cert_eku_invalid', ends),
    check('not-revoked', 'tls.crl', 'cert_revoked', ends),
    check('profile', 'cert.profile', 'cert_profile', unauthorized),
    check('provisioner', 'cert.provisioner', 'cert_provisioner', unauthorized),
    check('names-a-grant', 'cert.oid-grant', 'oid_grant_missing', unauthorized),
    check('names-one-grant', 'cert.oid-grant', 'oid_grant_repeated', unauthorized),
    check('names-a-grant-rightly', 'cert.oid-grant', 'oid_grant_malformed', unauthorized),
    check('names-a-user', 'cert.oid-subject', 'oid_subject_missing', unauthorized),
    check('names-one-user', 'cert.oid-subject', 'oid_subject_repeated', unauthorized),
    check('names-a-user-rightly', 'cert.oid-subject', 'oid_subject_malformed', unauthorized),
  ]
}

/** What the lender knows of the grant that it names. */
const grantChecks: readonly PlannedCheck[] = [
  check('known', 'grant.known', 'grant_unknown', forbidden),
  check('activated', 'grant.status', 'grant_pending', forbidden),
  check('alive', 'grant.status', 'grant_revoked', forbidden),
  check('current', 'grant.status', 'grant_expired', forbidden),
  check('user', 'grant.subject', 'subject_mismatch', forbidden),
  check('peer', 'grant.peer', 'peer_name_mismatch', forbidden),
  check('registered', 'grant.certificate', 'cert_unregistered', forbidden),
  check('not-superseded', 'grant.certificate', 'cert_superseded', forbidden),
  check('enabled', 'grant.user', 'subject_disabled', forbidden),
]

/** What its scope and its user say of a resource. */
function resourceChecks(resource: string): PlannedCheck[] {
  return [
    check('not-excluded', 'scope.excluded', 'resource_excluded', violation, { resource }),
    check('granted', 'scope.granted', 'resource_not_granted', violation, { resource }),
    check('permitted', 'rbac.resource', 'rbac_denied', violation, { resource }),
  ]
}

/** The same of a row that is there. */
function rowChecks(resource: string, row: Row): PlannedCheck[] {
  return [
    check('seen', 'scope.rows', 'row_not_visible', absent, { resource, row }),
    check('lent', 'scope.rows', 'row_out_of_scope', absent, { resource, row }),
  ]
}
