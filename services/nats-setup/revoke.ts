import { type AccountName, USERS, type UserName } from '../shared/nats/roles.ts'
import type { SetupRecord } from '../shared/nats/setup-record.ts'
import { findUser } from './claims.ts'
import type { Configuration } from './config.ts'
import { withStore } from './lock.ts'
import type { Nsc } from './nsc.ts'
import { writeBrokerFiles } from './outputs.ts'
import { brokerOf, type Pushed, pushClaims } from './push.ts'
import type { Revocation } from './request.ts'
import { nscOf, readRecord, writeRecord } from './setup.ts'

/** One key of a user, or all users of an account (`*`). */
export interface Revoked {
  readonly account: AccountName
  readonly key: string
}

/** Ends credentials: what was issued until now for these keys is refused, and whoever is connected with it is sent away. */
export async function revoke(
  configuration: Configuration,
  revocation: Revocation,
): Promise<Pushed & { readonly revoked: readonly Revoked[] }> {
  await readRecord(configuration)
  return withStore(configuration.stateDir, async () => {
    const nsc = nscOf(configuration)
    // A rotation may have held the store until now: what it wrote is what counts.
    const record = await readRecord(configuration)
    const revoked = 'users' in revocation ? await keysOf(nsc, record, revocation.users) : [revocation]
    await revokeKeys(nsc, configuration, revoked)
    return { revoked, ...(await pushClaims(configuration)) }
  })
}

/** All keys of users; that of a rotation which was stopped stands in the store alone, and the next setup would hand it over. */
async function keysOf(nsc: Nsc, { users }: SetupRecord, names: readonly UserName[]): Promise<Revoked[]> {
  const keys = names.map(async (name) => {
    const { key, previous } = users[name]
    const stored = await findUser(nsc, name)
    const all = new Set([key, ...(stored === undefined ? [] : [stored.sub]), ...previous.map((one) => one.key)])
    return [...all].map((one) => ({ account: USERS[name].account, key: one }))
  })
  return (await Promise.all(keys)).flat()
}

async function revokeKeys(nsc: Nsc, configuration: Configuration, revoked: readonly Revoked[]): Promise<void> {
  for (const { account, key } of revoked) {
    await nsc.run(['revocations', 'add-user', '--account', account, '--user-public-key', key])
  }
  // The broker preloads these claims when it starts, and would let the user in until the next push.
  if (revoked.some(({ account }) => account === 'SYS')) await writeBrokerFiles(nsc, configuration)
}

/** Ends what was replaced long enough ago, in the store: the broker learns of it by the push that follows. */
export async function revokeDue(configuration: Configuration, record: SetupRecord): Promise<SetupRecord> {
  const now = Date.now()
  const isDue = ({ until }: { until: string }) => Date.parse(until) <= now
  const due = Object.entries(record.users).flatMap(([name, { previous }]) =>
    previous
      .filter(isDue)
      .map(({ key }) => ({ name: name as UserName, key, account: USERS[name as UserName].account })),
  )
  if (due.length === 0) return record
  const nsc = nscOf(configuration)
  await revokeKeys(nsc, configuration, due)
  for (const { name, key } of due) {
    if (name === 'callout_user') await nsc.run(['edit', 'authcallout', '--account', 'AUTH', '--rm-auth-user', key])
  }
  const users = Object.entries(record.users).map(([name, { previous, ...user }]) => {
    return [name, { ...user, previous: previous.filter((one) => !isDue(one)) }]
  })
  return { ...record, users: Object.fromEntries(users) as SetupRecord['users'] }
}

/** Ends what is due, and brings the claims of every account to the broker. */
export async function pushAll(configuration: Configuration): Promise<Pushed> {
  brokerOf(configuration)
  await readRecord(configuration)
  return withStore(configuration.stateDir, async () => pushDue(configuration, await readRecord(configuration)))
}

/** Ends what is due, and brings all claims to the broker; only then is it written down that it ended. For who holds the store. */
export async function pushDue(configuration: Configuration, record: SetupRecord): Promise<Pushed> {
  const after = await revokeDue(configuration, record)
  const pushed = await pushClaims(configuration)
  if (after !== record) await writeRecord(configuration, after)
  return pushed
}
