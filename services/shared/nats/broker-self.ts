import { type NatsConnection, PermissionViolationError } from '@nats-io/transport-node'
import { guard } from '../guard.ts'
import { BrokerRefused, type UserInfo, userInfo } from './broker-connection.ts'
import type { Permissions } from './roles.ts'

/** Who the broker says that we are, on a connection that has just logged in. */
export interface BrokerSelfContext {
  readonly expected: ExpectedSelf
  /** Its answer to `$SYS.REQ.USER.INFO`; undefined where it gave none, or where we may not even ask. */
  readonly answer: UserInfo | undefined
}

export type ExpectedSelf = Permissions & (OwnUser | AdmittedUser)

/** Whoever logs in with credentials of his own. Public keys. */
interface OwnUser {
  readonly account: string
  readonly user: string
}

/** Whoever is admitted by a callout, into an account of which he knows the name only, under a name that it gave him. */
interface AdmittedUser {
  readonly accountName: string
  readonly user: string
}

/** A role that was widened by mistake must not go unnoticed, so more than expected is refused like less. */
export const brokerSelf = guard<BrokerSelfContext>(
  'broker.self',
  ['account_unexpected', 'permissions_unexpected'],
  ({ expected, answer }) => {
    if (answer === undefined || !isAccountOf(expected, answer)) return { reason: 'account_unexpected', status: null }
    const permissions = objectOf(answer.permissions)
    const isOurs =
      answer.user === expected.user &&
      Object.keys(permissions).every((name) => name === 'publish' || name === 'subscribe') &&
      isExactly(permissions.publish, expected.publish) &&
      isExactly(permissions.subscribe, expected.subscribe)
    return isOurs ? undefined : { reason: 'permissions_unexpected', status: null }
  },
)

/** Asks the broker, and answers what it said. @throws BrokerRefused */
export async function demandSelf(
  connection: NatsConnection,
  expected: ExpectedSelf,
  timeout: number,
): Promise<UserInfo | undefined> {
  const answer = await answerOf(connection, timeout)
  const refusal = await brokerSelf.check({ expected, answer })
  if (refusal !== undefined) throw new BrokerRefused(brokerSelf.id, refusal.reason)
  return answer
}

function isAccountOf(expected: ExpectedSelf, { account, account_name }: UserInfo): boolean {
  return 'account' in expected ? account === expected.account : account_name === expected.accountName
}

async function answerOf(connection: NatsConnection, timeout: number): Promise<UserInfo | undefined> {
  try {
    return await userInfo(connection, timeout)
  } catch (failure) {
    if ((failure as Error).cause instanceof PermissionViolationError) return undefined
    throw failure
  }
}

/** A list of what is allowed, and none of what is denied: that would be less. */
function isExactly(permission: unknown, expected: readonly string[]): boolean {
  const { allow, ...rest } = objectOf(permission)
  const isNothingElse = Object.values(rest).every((value) => Array.isArray(value) && value.length === 0)
  return isNothingElse && Array.isArray(allow) && [...allow].sort().join(' ') === [...expected].sort().join(' ')
}

function objectOf(value: unknown): Record<string, unknown> {
  return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : {}
}
