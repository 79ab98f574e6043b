import type { PlannedCheck } from '../../topology/verification.ts'
import { tokenCheck, tokenChecks } from '../checks.ts'
import type { Unit } from './index.ts'

/** About whom it decides: users of this account, and who logs in as the one that it lets in is asked for a token. */
const asking = { account: 'AUTH', user: 'auth_guard' }
const scope = 'nats:connect'
/** As the broker tells the caller, whatever the reason. */
const refused = { layer: 'broker', status: null, error: 'Authorization Violation' } as const

/** What it checks of a login, in order. */
export function checksOf(unit: Unit, audience: string): PlannedCheck[] {
  const { auth, validation, clockSkewSeconds: skewSeconds = 30 } = unit.settings
  const believed = { issuer: unit.url(auth, 'public'), audiences: [audience] }
  const proof = validation === 'introspection' ? (['active'] as const) : (['key', 'signature'] as const)
  return [
    {
      ...{ check: 'nats-creds/itself', args: asking },
      ...{ guard: 'callout.sentinel', reason: 'sentinel_unknown', ...refused },
    },
    { check: 'nats-creds/not-deferred', args: asking, settles: true },
    { check: 'bound-token/presented', guard: 'callout.carrier', reason: 'token_missing', ...refused },
    ...tokenChecks(believed, { proof, time: { skewSeconds } }, refused),
    ...identityChecks(unit),
    tokenCheck('scope', refused, { scope }),
    ...(validation === 'both' ? [tokenCheck('active', refused)] : []),
  ]
}

/** Every guard on the way of a login, the broker's own apart. */
export function guardsOf({ settings: { validation } }: Unit): string[] {
  return [
    ...['callout.request', 'callout.sentinel', 'callout.carrier', 'token.form', 'token.issuer'],
    validation === 'introspection' ? 'token.active' : 'token.signature',
    ...['token.claims', 'token.time', 'token.audience', 'token.binding', 'callout.identity', 'token.scope'],
    ...(validation === 'both' ? ['token.active'] : []),
  ]
}

function identityChecks({ settings: { hosts }, topology }: Unit): PlannedCheck[] {
  const sans = Object.fromEntries(hosts.map((name) => [name, topology.nodes[name]?.host ?? name]))
  const ofIdentity = (name: string, args: PlannedCheck['args'], reason: string): PlannedCheck => {
    return { check: `bound-token/caller-${name}`, args, guard: 'callout.identity', reason, ...refused }
  }
  return [ofIdentity('known', { subjects: hosts }, 'host_unknown'), ofIdentity('name', { sans }, 'san_mismatch')]
}
