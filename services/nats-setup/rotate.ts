import { USERS, type UserName } from '../shared/nats/roles.ts'
import type { SetupRecord } from '../shared/nats/setup-record.ts'
import { untilWallTime } from '../shared/wall-timer.ts'
import { accountClaims, findUser, isRevoked, type UserClaims, userClaims } from './claims.ts'
import type { Configuration } from './config.ts'
import { type Copied, handOver } from './copy.ts'
import { withStore } from './lock.ts'
import type { Nsc } from './nsc.ts'
import { writeCreds } from './outputs.ts'
import { brokerOf, pushClaims } from './push.ts'
import type { Rotation } from './request.ts'
import { pushDue } from './revoke.ts'
import { nscOf, readRecord, recordRotation } from './setup.ts'
import { addUser } from './store.ts'

/** What a rotation did. */
export interface Rotated {
  readonly generation: number
  readonly users: readonly UserName[]
  readonly handovers: readonly Copied[]
}

/**
 * Gives users new keys, with the same names and roles, and hands the next generation over. What they had before works for a while
 * longer, so that whoever uses it can change over, and is revoked then. A rotation that was stopped goes on where it was: its next run,
 * or a push, ends what is due.
 */
export async function rotate(configuration: Configuration, rotation: Rotation = {}): Promise<Rotated> {
  brokerOf(configuration)
  await readRecord(configuration)
  const users = rotation.users ?? handedOver(configuration)
  const overlapSeconds = rotation.overlapSeconds ?? configuration.overlapSeconds
  const { record, handovers } = await withStore(configuration.stateDir, async () => {
    for (const name of users) await renew(configuration, name)
    const record = await recordRotation(configuration, overlapSeconds)
    return { record, handovers: await handOver(configuration, record) }
  })
  await untilDue(record)
  await withStore(configuration.stateDir, async () => pushDue(configuration, await readRecord(configuration)))
  return { generation: record.generation, users, handovers }
}

function handedOver({ handovers }: Configuration): UserName[] {
  return [...new Set(handovers.flatMap(({ users }) => users))]
}

/** A new key for one user, up to its credentials file; the record tells of it last. */
async function renew(configuration: Configuration, name: UserName): Promise<void> {
  const nsc = nscOf(configuration)
  const { users } = await readRecord(configuration)
  const found = await findUser(nsc, name)
  // Another key than the record's is from a rotation that was stopped, and is of use unless it was revoked since.
  const isUsed = found?.sub === users[name].key
  const isUp = found !== undefined && (isUsed || (await isEnded(nsc, name, found)))
  if (isUp) await deleteUser(nsc, name)
  if (found === undefined || isUp) await addUser(nsc, name, configuration.lifetimes)
  if (name === 'callout_user') await admitCallout(nsc, configuration)
  await writeCreds(nsc, configuration, name)
}

async function isEnded(nsc: Nsc, name: UserName, user: UserClaims): Promise<boolean> {
  return isRevoked((await accountClaims(nsc, USERS[name].account)).claims, user)
}

/** Without a revocation: its credentials work on until they are due. */
async function deleteUser(nsc: Nsc, name: UserName): Promise<void> {
  await nsc.run(['delete', 'user', '--account', USERS[name].account, '--name', name, '--rm-creds', '--rm-nkey'])
}

/** The broker has to know the new key of the callout before anybody uses it. */
async function admitCallout(nsc: Nsc, configuration: Configuration): Promise<void> {
  const { sub } = await userClaims(nsc, 'callout_user')
  await nsc.run(['edit', 'authcallout', '--account', 'AUTH', '--auth-user', sub])
  await pushClaims(configuration)
}

/** What is due is so by the clock: it is ended no later where this host slept meanwhile. */
function untilDue({ users }: SetupRecord): Promise<void> {
  const times = Object.values(users).flatMap(({ previous }) => previous.map(({ until }) => Date.parse(until)))
  return untilWallTime(Math.max(0, ...times))
}
