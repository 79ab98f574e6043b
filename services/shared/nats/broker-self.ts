import { guard } from '../guard.ts'
import type { Permissions } from './roles.ts'

/** Who the broker says that we are, on a connection that has just logged in. */
export interface BrokerSelfContext {
  readonly expected: ExpectedSelf
  /** Its answer to `$SYS.REQ.USER.INFO`; undefined where it gave none. */
  readonly answer: UserInfo | undefined
}

export interface ExpectedSelf extends Permissions {
  /** Public keys. */
  readonly account: string
  readonly user: string
}

export interface UserInfo {
  readonly user?: unknown
  readonly account?: unknown
  readonly permissions?: unknown
  /** Nanoseconds until the credentials end. */
  readonly expires?: unknown
}

/** A role that was widened by mistake must not go unnoticed, so more than expected is refused like less. */
export const brokerSelf = guard<BrokerSelfContext>(
  'broker.self',
  ['account_unexpected', 'permissions_unexpected'],
  ({ expected, answer }) => {
    if (answer?.account !== expected.account) return { reason: 'account_unexpected', status: null }
    const permissions = objectOf(answer.permissions)
    const isOurs =
      answer.user === expected.user &&
      Object.keys(permissions).every((name) => name === 'publish' || name === 'subscribe') &&
      isExactly(permissions.publish, expected.publish) &&
      isExactly(permissions.subscribe, expected.subscribe)
    return isOurs ? undefined : { reason: 'permissions_unexpected', status: null }
  },
)

/** A list of what is allowed, and none of what is denied: that would be less. */
function isExactly(permission: unknown, expected: readonly string[]): boolean {
  const { allow, ...rest } = objectOf(permission)
  const isNothingElse = Object.values(rest).every((value) => Array.isArray(value) && value.length === 0)
  return isNothingElse && Array.isArray(allow) && [...allow].sort().join(' ') === [...expected].sort().join(' ')
}

function objectOf(value: unknown): Record<string, unknown> {
  return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : {}
}
