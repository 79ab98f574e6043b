import { readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fromCurveSeed, type KeyPair } from '@nats-io/nkeys'
import { type Creds, readCreds } from '../shared/nats/creds-text.ts'
import type { UserName } from '../shared/nats/roles.ts'
import { credsPath, LOCAL_KEYS, type SetupRecord, setupRecordSchema } from '../shared/nats/setup-record.ts'
import { signingKey } from '../shared/nats/signing-key.ts'
import { StartFailure } from '../shared/start-failure.ts'
import type { Sentinel } from './guards/callout-login.ts'

/** What the callout signs and opens with, and as whom it is connected. Secret, all but the record. */
export interface CalloutKeys {
  readonly setup: SetupRecord
  /** Signs answers, for account AUTH. */
  readonly response: KeyPair
  /** Signs users of hosts, for account WORKLOAD. */
  readonly hostRole: KeyPair
  /** Opens requests, and seals answers. */
  readonly curve: KeyPair
  readonly callout: Creds
  readonly kick: Creds
}

interface Places {
  readonly setupFile: string
  readonly keysDir: string
}

/** Reads all of it, and compares each key with the record. Throws `StartFailure` that names the file, never what is in it. */
export function readKeys({ setupFile, keysDir }: Places, setup: SetupRecord = readSetup({ setupFile })): CalloutKeys {
  const keyIn = (file: string, expected: string, make: (seed: Uint8Array) => KeyPair = signingKey): KeyPair => {
    const place = join(keysDir, file)
    const key = attempt(() => make(new TextEncoder().encode(readSecret(place).trim())))
    if (key !== undefined && attempt(() => key.getPublicKey()) === expected) return key
    throw invalid(`${place} is not the key ${expected.slice(0, 8)}… of ${setupFile}; copy both from the same setup`)
  }
  const credsOf = (user: UserName): Creds => {
    const place = join(keysDir, basename(credsPath(user)))
    const creds = readCreds(readSecret(place))
    if (creds !== undefined && creds.claims.sub === setup.users[user]?.key) return creds
    throw invalid(`${place} is not the credentials file of ${user} of ${setupFile}; copy both from the same setup`)
  }
  return {
    setup,
    response: keyIn(LOCAL_KEYS.response, setup.keys.response),
    hostRole: keyIn(LOCAL_KEYS.hostRole, setup.keys.hostRole),
    curve: keyIn(LOCAL_KEYS.curve, setup.keys.curve, fromCurveSeed),
    callout: credsOf('callout_user'),
    kick: credsOf('sys_kick'),
  }
}

/** The sentinel, by every key that it has or, until its rotation is over, had. */
export function sentinelOf({ users, accounts }: SetupRecord): Sentinel {
  const { key, previous } = users.auth_guard
  const before = previous.map(({ key, until }) => [key, Date.parse(until)] as const)
  return { users: new Map([...before, [key, Number.POSITIVE_INFINITY]]), account: accounts.AUTH }
}

/** Throws `StartFailure`, too. */
export function readSetup({ setupFile: file }: Pick<Places, 'setupFile'>): SetupRecord {
  let value: unknown
  try {
    value = JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'no JSON'
    throw invalid(`${file} cannot be read (${code}); set up the broker first`, cause)
  }
  const read = setupRecordSchema.safeParse(value)
  if (read.success) return read.data
  const mistakes = read.error.issues.map(({ path, message }) => `${path.join('.') || 'all of it'}: ${message}`)
  throw invalid(`${file}: ${mistakes.join('; ')}; set up the broker anew`)
}

function readSecret(file: string): string {
  try {
    const { mode, uid } = statSync(file)
    // What root hands to a unit of another user (systemd's LoadCredential) shows the rights of that user as those of the group.
    const isHandedOver = uid === 0 && process.getuid?.() !== 0
    if ((mode & (isHandedOver ? 0o037 : 0o077)) === 0) return readFileSync(file, 'utf8')
  } catch (cause) {
    throw invalid(`${file} cannot be read (${(cause as NodeJS.ErrnoException).code}); copy it from the setup`, cause)
  }
  throw invalid(`${file} is open to others; chmod it to 0600`)
}

function invalid(text: string, cause?: unknown): StartFailure {
  return new StartFailure('config_invalid', text, { cause })
}

function attempt<Value>(act: () => Value): Value | undefined {
  try {
    return act()
  } catch (failure) {
    if (failure instanceof StartFailure) throw failure
    return undefined
  }
}
