import { firstRefusal } from '../../shared/guard.ts'
import { SetupError } from '../../shared/setup-error.ts'
import type { Configuration } from '../config.ts'
import { Keyring } from '../sealing/keyring.ts'
import { type Start, startConfig, startSecret } from '../start/guards.ts'
import type { Database } from '../storage/database.ts'
import { keysByKid, resealKeys, type Unopened } from '../storage/peer-keys.ts'
import { databaseSalt } from '../storage/settings.ts'
import { longJob } from './long-job.ts'
import { asRole } from './owner.ts'

export interface KeysStatus {
  /** Names the key that seals now. */
  readonly current: string
  /** Those that open what they have sealed before. */
  readonly previous: readonly string[]
  /** Rows by the key that has sealed them; `malformed`: what nobody has sealed. */
  readonly rows: Readonly<Record<string, number>>
  /** Rows that `keys rotate` has still to seal anew. */
  readonly outdated: number
}

export function runKeysStatus(configuration: Configuration): Promise<KeysStatus> {
  return withKeyring(configuration, statusOf)
}

/** Seals anew, with the current secret, what others have sealed. What nothing opens stays as it is, and is told. */
export function runKeysRotate(
  configuration: Configuration,
): Promise<{ readonly resealed: number; readonly unopened: readonly Unopened[] }> {
  return withKeyring(configuration, async (database, keyring) => {
    const { outdated: total } = await statusOf(database, keyring)
    const rotated = await longJob({ name: 'keys rotate', unit: 'keys', total }, (done) =>
      resealKeys(database, keyring, done),
    )
    if (rotated.unopened.length > 0) process.exitCode = 1
    return rotated
  })
}

async function statusOf(database: Database, keyring: Keyring): Promise<KeysStatus> {
  const rows = await keysByKid(database)
  const { kid, kids } = keyring
  const outdated = Object.entries(rows).reduce((sum, [of, count]) => (of === kid ? sum : sum + count), 0)
  return { current: kid, previous: kids.filter((other) => other !== kid), rows, outdated }
}

async function withKeyring<Result>(
  configuration: Configuration,
  work: (database: Database, keyring: Keyring) => Promise<Result>,
): Promise<Result> {
  const start: Start = { configuration, now: Date.now() }
  if ((await firstRefusal([startConfig, startSecret], start)) !== undefined) throw start.failure!
  const { sealing } = start.secrets!
  if (sealing === undefined) {
    throw new SetupError(
      'secret_missing',
      'sealing.secret (BETTER_AUTH_SECRET) is missing; without it nothing is sealed',
    )
  }
  return asRole(configuration, 'gateway_app', async (database) => {
    const salt = await databaseSalt(database)
    return work(database, new Keyring({ ...sealing, salt }))
  })
}
