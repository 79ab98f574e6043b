import type { Insider } from '../../topology/insider.ts'
import type { Action } from '../../topology/kind.ts'
import type { ActionVerification, PlannedCheck, Refusal } from '../../topology/verification.ts'
import { tlsChecks } from '../checks.ts'
import type { Settings, Unit } from './index.ts'

/** The action that is a login alone, and goes before all others. */
const CONNECT = 'nats:connect'
const violation = 'Authorization Violation'
const says = { publish: 'publishes', subscribe: 'subscribes to' } as const
const login = { guard: 'broker.login', layer: 'broker', status: null, error: violation } as const

/** What is tried beyond the login, by the name of its action. */
function tried({ tries }: Settings): { action: string; verb: 'publish' | 'subscribe'; subject: string }[] {
  return (['publish', 'subscribe'] as const).flatMap((verb) =>
    tries[verb].map((subject) => ({ action: `nats:${verb}/${subject}`, verb, subject })),
  )
}

export function actionsOf(settings: Settings): Record<string, Action> {
  const common = { listener: 'nats', carrier: 'bearer' } as const
  const connect: Action = { ...common, summary: 'logs in', request: { nats: {} } }
  const others = tried(settings).map(({ action, verb, subject }): [string, Action] => {
    return [action, { ...common, summary: `${says[verb]} ${subject}`, request: { nats: { [verb]: subject } } }]
  })
  return { [CONNECT]: connect, ...Object.fromEntries(others) }
}

export function verificationOf(unit: Unit): Record<string, ActionVerification> {
  const checks = [...tlsChecks('broker.tls', [unit.domain]), ...loginChecks(unit.settings)]
  const { decides = [], judges = [], admits } = askedAbout(unit)
  const takes = [['certificate', 'nats-creds'], ...(admits ? [['certificate', 'bound-token', 'nats-creds']] : [])]
  // A callout that does not answer has proven nothing: that is told apart before what it judges.
  const guards = ['broker.tls', 'broker.login', 'broker.callout', ...judges, 'broker.permission', 'broker.session']
  const common = {
    ...{ takes, guards, recordedAs: ['nats:login', 'nats:publish', 'nats:subscribe'] },
    ...(judges.length > 0 && { asksAgain: true as const }),
  }
  const others = tried(unit.settings).map(({ action, verb, subject }): [string, ActionVerification] => {
    const deferred = admits && unit.settings.callout?.account
    const may = permission('may', { [verb]: subject, ...(deferred && { deferred }) }, verb)
    const admitted = admits ? [permission('admitted-may', { [verb]: subject, role: admits }, verb)] : []
    return [action, { ...common, after: CONNECT, checks: [...checks, may, ...decides, ...admitted] }]
  })
  return { [CONNECT]: { ...common, checks: [...checks, ...decides] }, ...Object.fromEntries(others) }
}

/** What the program that it asks about logins says of itself. */
function askedAbout({ node, settings, insiders }: Unit): Insider {
  if (settings.callout === undefined) return {}
  return insiders().find((one) => one.node === node && one.insider.decides !== undefined)?.insider ?? {}
}

/** In the order in which nats-server 2.15 makes them. */
function loginChecks({ operator, isStrict }: Settings): PlannedCheck[] {
  const check = (name: string, reason: string, args?: PlannedCheck['args']): PlannedCheck => {
    return { check: `nats-creds/${name}`, ...(args && { args }), ...login, reason }
  }
  return [
    check('presented', 'nats_credentials_missing'),
    // What it cannot read is no JWT for it.
    check('readable', 'nats_credentials_missing'),
    check('not-expired', 'nats_jwt_expired'),
    check('begun', 'nats_jwt_expired'),
    check('account-known', 'nats_account_unknown', { operator }),
    check('issuer-known', 'nats_issuer_unknown', { isStrict }),
    check('scoped', 'nats_scope_violation'),
    check('not-bearer', 'nats_bearer'),
    check('connection-type', 'nats_connection_type'),
    check('signed', 'nats_signature_missing'),
    check('key', 'nats_signature_invalid'),
    check('not-revoked', 'nats_user_revoked'),
    check('source', 'nats_source'),
    check('hours', 'nats_time'),
  ]
}

/** Who may not do it is told so, and stays. */
function permission(name: string, args: NonNullable<PlannedCheck['args']>, verb: string): PlannedCheck {
  const refusal: Refusal = {
    ...{ guard: 'broker.permission', reason: `nats_${verb}_denied`, layer: 'broker', status: null },
    error: 'Permissions Violation',
  }
  return { check: `nats-creds/${name}`, args, ...refusal }
}
