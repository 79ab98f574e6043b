import type { AccountName, UserName } from '../shared/nats/roles.ts'

/** What an account may at most have; all of it finite, and said aloud. */
export interface Limits {
  readonly conns: number
  /** For each connection. */
  readonly subscriptions: number
  /** Of one message, in bytes. */
  readonly payload: number
  readonly exports: number
  readonly imports: number
  readonly jetStream?: {
    readonly memory: string
    readonly disk: string
    readonly streams: number
    readonly consumers: number
  }
}

const MIB = 1_048_576
const none = { exports: 0, imports: 0 }

export const ACCOUNTS: Readonly<Record<AccountName, Limits>> = {
  // It comes with two exports, by which each account can look at itself.
  SYS: { conns: 64, subscriptions: 1000, payload: MIB, exports: 2, imports: 0 },
  ADMIN: { conns: 64, subscriptions: 1000, payload: MIB, exports: 1, imports: 2 },
  // Hosts show the sentinel's credentials first, hundreds of them at once.
  AUTH: { conns: 1024, subscriptions: 100, payload: MIB, ...none },
  WORKLOAD: {
    ...{ conns: 1024, subscriptions: 1000, payload: MIB, exports: 2, imports: 1 },
    jetStream: { memory: '64MiB', disk: '1GiB', streams: 8, consumers: 400 },
  },
}

/** One stream of messages from one account to another, and to nobody else. */
export interface Flow {
  readonly name: string
  readonly subject: string
  readonly from: AccountName
  readonly to: AccountName
}

/** The subjects do not overlap, so no message comes back to where it was from. */
export const FLOWS: readonly Flow[] = [
  { name: 'commands', subject: 'WORKLOAD.*.cmd.>', from: 'ADMIN', to: 'WORKLOAD' },
  { name: 'inventory', subject: 'INVENTORY.>', from: 'WORKLOAD', to: 'ADMIN' },
  { name: 'status', subject: 'WORKLOAD.*.status', from: 'WORKLOAD', to: 'ADMIN' },
]

/** Permissions of users without a role, as they stand in their own JWT. `respond`: it may answer each message that it gets, once. */
export interface OwnPermissions {
  readonly publish?: { readonly allow?: readonly string[]; readonly deny?: readonly string[] }
  readonly subscribe?: { readonly allow?: readonly string[]; readonly deny?: readonly string[] }
  readonly respond?: true
}

export const OWN_PERMISSIONS: Readonly<Partial<Record<UserName, OwnPermissions>>> = {
  sys: {},
  sys_kick: { publish: { allow: ['$SYS.REQ.SERVER.*.KICK'] }, subscribe: { deny: ['>'] } },
  callout_user: { subscribe: { allow: ['$SYS.REQ.USER.AUTH'] }, respond: true },
  auth_guard: { publish: { deny: ['>'] }, subscribe: { deny: ['>'] } },
}
