import { z } from 'zod'
import { publicKey } from './public-key.ts'
import { ACCOUNT_NAMES, ROLE_NAMES, USER_NAMES, USERS, type UserName } from './roles.ts'

// Where the program that makes credentials leaves them, on the host of the broker.

/** Written last: there is no setup without it. */
export const SETUP_FILE = 'setup.json'
/** For the broker, beside `<operator>.jwt`. */
export const SYSTEM_ACCOUNT_FILE = 'SYS.jwt'
export const RESOLVER_FILE = 'main-resolver.conf'

export const SETUP_FOLDERS = {
  /** Credentials that are handed over. */
  shared: 'shared-creds',
  /** For the auth callout alone. */
  local: 'local-keys',
  /** For the program that pushes account claims. */
  push: 'push-creds',
} as const

/** Key files of the auth callout: what signs its answers, what signs users of hosts, what opens its requests. */
export const LOCAL_KEYS = { response: 'response.nk', hostRole: 'host_role.nk', curve: 'curve.nk' } as const

/** Where a user's credentials file lies, below the folder of the setup. */
export function credsPath(name: UserName): string {
  const { creds, receiver } = USERS[name]
  const local = name === 'sys' ? SETUP_FOLDERS.push : SETUP_FOLDERS.local
  return `${receiver === undefined ? local : SETUP_FOLDERS.shared}/${creds}`
}

const time = z.iso.datetime({ message: 'must be a time such as 2027-01-31T12:00:00.000Z' })

const user = z.strictObject({
  key: publicKey('U'),
  account: publicKey('A'),
  /** The key that signed it. */
  signer: publicKey('A'),
  /** null: its permissions stand in its own JWT. */
  role: z.enum(ROLE_NAMES).nullable(),
  expiresAt: time,
  /** Keys that it had before, and that are good until they are revoked at `until`. */
  previous: z.array(z.strictObject({ key: publicKey('U'), until: time })).default([]),
})

/** `setup.json`: public keys, names, and which generation of credentials these are. */
export const setupRecordSchema = z.strictObject({
  version: z.literal(2, { error: 'must be 2: only those name who signed each user' }),
  generation: z.int().min(1),
  issuedAt: time,
  operator: z.strictObject({ name: z.string().min(1), key: publicKey('O') }),
  accounts: z.record(z.enum(ACCOUNT_NAMES), publicKey('A')),
  users: z.record(z.enum(USER_NAMES), user),
  /** Public keys of the files in `LOCAL_KEYS`. */
  keys: z.strictObject({ response: publicKey('A'), hostRole: publicKey('A'), curve: publicKey('X') }),
})

export type SetupRecord = z.output<typeof setupRecordSchema>
export type SetupUser = z.output<typeof user>
