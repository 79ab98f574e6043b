/**
 * The roles that are built in: what the program that makes credentials gives each user, and what those who log in with them must find
 * at the broker, no more and no less. A role is a scope of a signing key, so that no credential can say anything else.
 */

export interface Permissions {
  readonly publish: readonly string[]
  readonly subscribe: readonly string[]
}

export interface Role extends Permissions {
  readonly account: AccountName
  /** Prefix of the inboxes that it may subscribe to. */
  readonly inbox: string
}

export interface User {
  readonly account: AccountName
  /** Absent: its permissions, if it has any, stand in its own JWT. */
  readonly role?: RoleName
  /** Name of its credentials file. */
  readonly creds: string
  /** Who gets that file. Absent: it stays on the host of the broker. */
  readonly receiver?: Receiver
}

export const ACCOUNT_NAMES = ['SYS', 'ADMIN', 'AUTH', 'WORKLOAD'] as const
export type AccountName = (typeof ACCOUNT_NAMES)[number]

export const ROLE_NAMES = ['admin_role', 'orchestrator_role', 'host_role'] as const
export type RoleName = (typeof ROLE_NAMES)[number]

export const USER_NAMES = ['sys', 'sys_kick', 'admin_user', 'callout_user', 'auth_guard', 'orchestrator_user'] as const
export type UserName = (typeof USER_NAMES)[number]

export const RECEIVERS = ['orchestrator', 'host'] as const
export type Receiver = (typeof RECEIVERS)[number]

/** Stands in a role for the host that a user is tagged with (`host:NAME`); the broker fills it in. */
const HOST = '{{tag(host)}}'

export const ROLES: Readonly<Record<RoleName, Role>> = {
  admin_role: {
    account: 'ADMIN',
    inbox: '_INBOX.admin',
    publish: ['ADMIN.>', 'WORKLOAD.>', 'INVENTORY.>', '$SYS.REQ.USER.INFO'],
    subscribe: ['ADMIN.>', 'WORKLOAD.>', 'INVENTORY.>', '_INBOX.admin.>'],
  },
  orchestrator_role: {
    account: 'WORKLOAD',
    inbox: '_INBOX.orchestrator',
    publish: [
      'WORKLOAD.*.cmd.>',
      '$JS.API.STREAM.CREATE.WORKLOAD',
      '$JS.API.STREAM.UPDATE.WORKLOAD',
      '$JS.API.STREAM.INFO.WORKLOAD',
      '$JS.API.CONSUMER.CREATE.WORKLOAD.>',
      '$JS.API.CONSUMER.INFO.WORKLOAD.>',
      '$JS.API.CONSUMER.DELETE.WORKLOAD.>',
      '$SYS.REQ.USER.INFO',
    ],
    subscribe: ['WORKLOAD.*.status', 'INVENTORY.>', '_INBOX.orchestrator.>'],
  },
  host_role: {
    account: 'WORKLOAD',
    inbox: `_INBOX.${HOST}`,
    publish: [
      `WORKLOAD.${HOST}.status`,
      `INVENTORY.${HOST}.>`,
      `$JS.API.CONSUMER.INFO.WORKLOAD.${HOST}`,
      `$JS.API.CONSUMER.MSG.NEXT.WORKLOAD.${HOST}`,
      `$JS.ACK.WORKLOAD.${HOST}.>`,
      '$SYS.REQ.USER.INFO',
    ],
    subscribe: [`_INBOX.${HOST}.>`],
  },
}

export const USERS: Readonly<Record<UserName, User>> = {
  sys: { account: 'SYS', creds: 'sys.creds' },
  sys_kick: { account: 'SYS', creds: 'sys_kick.creds' },
  admin_user: { account: 'ADMIN', role: 'admin_role', creds: 'admin_user.creds', receiver: 'orchestrator' },
  callout_user: { account: 'AUTH', creds: 'callout_user.creds' },
  auth_guard: { account: 'AUTH', creds: 'auth_guard.creds', receiver: 'host' },
  orchestrator_user: {
    account: 'WORKLOAD',
    role: 'orchestrator_role',
    creds: 'orchestrator_auth.creds',
    receiver: 'orchestrator',
  },
}

/** The users whose credentials a receiver gets, in the order of their table. */
export function handedTo(receiver: Receiver): readonly UserName[] {
  return USER_NAMES.filter((name) => USERS[name].receiver === receiver)
}

/** What a role means for the user of one host, as the broker tells it; roles without a host are as they stand. */
export function roleFor(name: RoleName, host = ''): Role {
  const { account, inbox, publish, subscribe } = ROLES[name]
  const filled = (subject: string): string => subject.replaceAll(HOST, host)
  return { account, inbox: filled(inbox), publish: publish.map(filled), subscribe: subscribe.map(filled) }
}
