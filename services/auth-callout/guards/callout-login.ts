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
  /** Public keys of the user that hosts log in as before they are somebody, and of its account. */
  readonly sentinel: { readonly user: string; readonly account: string }
  readonly hosts: Hosts
}

const refused = (reason: string) => ({ reason, status: null })

/** JWTs of sentinels, as they were read last: hundreds of hosts show the same one, whose signature need not be verified each time. */
const known = new WeakMap<LoginContext['sentinel'], string>()

/** The broker has proven that the caller holds its key; which user that is, we judge. */
export const calloutSentinel = guard<LoginContext>(
  'callout.sentinel',
  ['sentinel_unknown'],
  ({ request, sentinel }) => {
    const { jwt = '' } = request.login
    if (known.get(sentinel) === jwt) return undefined
    const user = readUser(jwt)
    const account = user?.nats.issuer_account ?? user?.iss
    if (user?.sub !== sentinel.user || account !== sentinel.account) return refused('sentinel_unknown')
    known.set(sentinel, jwt)
    return undefined
  },
)

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
