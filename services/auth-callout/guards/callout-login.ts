import type { TokenContext } from '../../shared/bound-token.ts'
import { claimsOf } from '../../shared/bound-token.ts'
import { guard } from '../../shared/guard.ts'
import { readUser } from '../../shared/nats/creds-text.ts'
import type { LoginRequest } from '../request.ts'

/** A host that is let in, by name. */
export type Hosts = Readonly<Record<string, { readonly host: string }>>

/** One login, as the guards see it. */
export interface LoginContext extends TokenContext {
  readonly request: LoginRequest
  readonly sentinel: Sentinel
  readonly hosts: Hosts
}

/** The user that hosts log in as before they are somebody. */
export interface Sentinel {
  /** Until when each of its public keys is good, in ms since 1970: while it is rotated, a host may have been handed the one or the other. */
  readonly users: ReadonlyMap<string, number>
  /** Public key. */
  readonly account: string
}

const refused = (reason: string) => ({ reason, status: null })

/** JWTs of sentinels, as they were read last: hundreds of hosts show the same one, whose signature need not be verified each time. */
const known = new WeakMap<Sentinel, { readonly jwt: string; readonly key: string }>()

/** The broker has proven that the caller holds its key; which user that is, we judge. */
export const calloutSentinel = guard<LoginContext>(
  'callout.sentinel',
  ['sentinel_unknown'],
  ({ request, sentinel, policy }) => {
    const until = sentinel.users.get(keyIn(request.login.jwt ?? '', sentinel) ?? '')
    return until !== undefined && until > policy.now() ? undefined : refused('sentinel_unknown')
  },
)

/** The key of the user that a JWT is of, where that is one of the sentinel's. */
function keyIn(jwt: string, sentinel: Sentinel): string | undefined {
  const last = known.get(sentinel)
  if (last?.jwt === jwt) return last.key
  const user = readUser(jwt)
  const account = user?.nats.issuer_account ?? user?.iss
  if (user === undefined || !sentinel.users.has(user.sub) || account !== sentinel.account) return undefined
  known.set(sentinel, { jwt, key: user.sub })
  return user.sub
}

export const calloutCarrier = guard<LoginContext>(
  'callout.carrier',
  ['token_missing', 'token_carrier_invalid'],
  ({ request }) => {
    const { token, user, password } = request.login
    if (user !== undefined || password !== undefined) return refused('token_carrier_invalid')
    return token === undefined || token === '' ? refused('token_missing') : undefined
  },
)

/** The token says who it is, and the certificate must say the same. */
export const calloutIdentity = guard<LoginContext>('callout.identity', ['host_unknown', 'san_mismatch'], (context) => {
  const { sub } = claimsOf(context)
  const declared = typeof sub === 'string' && Object.hasOwn(context.hosts, sub) ? context.hosts[sub] : undefined
  if (declared === undefined) return refused('host_unknown')
  return context.request.certificate?.sans.includes(declared.host) ? undefined : refused('san_mismatch')
})
