import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  ACCOUNT_NAMES,
  type AccountName,
  ROLE_NAMES,
  ROLES,
  USER_NAMES,
  USERS,
  type UserName,
} from '../shared/nats/roles.ts'
import { ACCOUNTS, FLOWS, type Flow, OWN_PERMISSIONS } from './accounts.ts'
import { accountClaims, userClaims } from './claims.ts'
import type { Configuration } from './config.ts'
import { nscFolder } from './layout.ts'
import type { Nsc } from './nsc.ts'

// What nsc is asked for, in the order in which one thing needs the other.

type Lifetimes = Configuration['lifetimes']

/** Makes the operator, its accounts, their keys and users, in a store that is empty. */
export async function makeStore(nsc: Nsc, configuration: Configuration): Promise<void> {
  const { operator, lifetimes } = configuration
  // With --sys it makes the account SYS with a signing key, and its user sys.
  await nsc.run(['add', 'operator', '--name', operator, '--sys', '--generate-signing-key'])
  await nsc.run(['edit', 'operator', '--require-signing-keys'])
  for (const account of ACCOUNT_NAMES) await makeAccount(nsc, account, lifetimes)
  await makeRoles(nsc)
  for (const user of USER_NAMES) await (user === 'sys' ? limitSys(nsc, lifetimes) : addUser(nsc, user, lifetimes))
  await makeCallout(nsc)
  for (const flow of FLOWS) await makeFlow(nsc, flow, join(nscFolder(configuration), 'activation.jwt'))
}

async function makeAccount(nsc: Nsc, name: AccountName, { accountDays }: Lifetimes): Promise<void> {
  if (name !== 'SYS') await nsc.run(['add', 'account', '--name', name])
  const { conns, subscriptions, payload, exports, imports, jetStream } = ACCOUNTS[name]
  const numbers = { conns, subscriptions, payload, exports, imports, 'leaf-conns': 0 }
  const kept = jetStream && {
    ...{ 'js-mem-storage': jetStream.memory, 'js-disk-storage': jetStream.disk },
    ...{ 'js-streams': jetStream.streams, 'js-consumer': jetStream.consumers },
  }
  const flags = Object.entries({ ...numbers, ...kept }).flatMap(([flag, value]) => [`--${flag}`, String(value)])
  // All in one call: another one would take the prohibition of bearer JWTs back.
  const rest = ['--disallow-bearer', '--expiry', `${accountDays}d`, ...(name === 'AUTH' ? ['--sk', 'generate'] : [])]
  await nsc.run(['edit', 'account', '--name', name, ...flags, ...rest])
}

async function makeRoles(nsc: Nsc): Promise<void> {
  for (const role of ROLE_NAMES) {
    const { account, publish, subscribe } = ROLES[role]
    const may = ['--allow-pub', publish.join(','), '--allow-sub', subscribe.join(',')]
    await nsc.run(['edit', 'signing-key', '--account', account, '--sk', 'generate', '--role', role, ...may])
  }
}

/** Adds a user that is not there; its key is a new one. */
export async function addUser(nsc: Nsc, name: UserName, { userMinutes }: Lifetimes): Promise<void> {
  const { account, role } = USERS[name]
  const may = role === undefined ? permissionFlags(name) : ['--private-key', role]
  await nsc.run(['add', 'user', '--account', account, '--name', name, '--expiry', `${userMinutes}m`, ...may])
}

async function limitSys(nsc: Nsc, { userMinutes }: Lifetimes): Promise<void> {
  await nsc.run(['edit', 'user', '--account', 'SYS', '--name', 'sys', '--expiry', `${userMinutes}m`])
}

function permissionFlags(name: UserName): string[] {
  const { publish, subscribe, respond } = OWN_PERMISSIONS[name] ?? {}
  const lists = {
    ...{ 'allow-pub': publish?.allow, 'deny-pub': publish?.deny },
    ...{ 'allow-sub': subscribe?.allow, 'deny-sub': subscribe?.deny },
  }
  const flags = Object.entries(lists).flatMap(([flag, subjects]) => (subjects ? [`--${flag}`, subjects.join(',')] : []))
  return respond ? [...flags, '--allow-pub-response'] : flags
}

async function makeCallout(nsc: Nsc): Promise<void> {
  const user = await userClaims(nsc, 'callout_user')
  const { claims: admitted } = await accountClaims(nsc, 'WORKLOAD')
  const who = ['--auth-user', user.sub, '--allowed-account', admitted.sub]
  await nsc.run(['edit', 'authcallout', '--account', 'AUTH', ...who, '--curve', 'generate'])
}

/** The export is private: what another account would need to import it is made for the one account, and thrown away. */
async function makeFlow(nsc: Nsc, { name, subject, from, to }: Flow, token: string): Promise<void> {
  await nsc.run(['add', 'export', '--account', from, '--name', name, '--subject', subject, '--private'])
  const target = ['--subject', subject, '--target-account', to, '--output-file', token]
  await nsc.run(['generate', 'activation', '--account', from, ...target])
  await nsc.run(['add', 'import', '--account', to, '--name', name, '--token', token])
  await rm(token)
}
