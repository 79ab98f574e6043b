import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Account, Algorithms, encodeAccount, encodeOperator, encodeUser } from '@nats-io/jwt'
import { createAccount, createCurve, createOperator, createUser, type KeyPair } from '@nats-io/nkeys'
import { MANIFEST_FILE, type Manifest } from '../manifest.ts'
import { type AccountName, ROLES, type RoleName, USERS, type UserName } from '../roles.ts'

// Operators, accounts and users for tests, made anew each time. The real ones are made by nsc; here it matters that every wrong one can
// be made, too.

export interface TestOperator {
  readonly name: string
  readonly key: KeyPair
  readonly jwt: string
  readonly accounts: Readonly<Record<AccountName, TestAccount>>
  /** Curve key of AUTH: its requests are sealed to it. */
  readonly curve: KeyPair
  /** Key of `callout_user`, about whom nobody is asked. */
  readonly calloutUser: KeyPair
  /** The account's JWT as it is now, to be pushed. */
  account(name: AccountName, change?: Partial<Account>): Promise<string>
  user(name: UserName, change?: UserChange): Promise<TestUser>
}

export interface TestAccount {
  readonly key: KeyPair
  /** Signing key without a role. */
  readonly signer: KeyPair
  readonly roles: ReadonlyMap<RoleName, KeyPair>
}

export interface UserChange {
  readonly key?: KeyPair
  /** Name in the JWT. */
  readonly called?: string
  readonly exp?: number
  readonly nbf?: number
  /** More of the user's own claims. */
  readonly claims?: Record<string, unknown>
  /** Signs instead of the key of its role. */
  readonly signer?: KeyPair
  readonly account?: KeyPair
  /** Issued by the account's own key. */
  readonly unscoped?: boolean
}

export interface TestUser {
  readonly name: UserName
  readonly key: KeyPair
  readonly jwt: string
  /** As nsc writes it. */
  readonly creds: string
  readonly exp: number
}

const LIMITS = {
  ...{ subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 },
  disallow_bearer: true,
}
const JETSTREAM = { mem_storage: 67_108_864, disk_storage: 1_073_741_824, streams: 8, consumer: 400 }
const DAY = 86_400

export async function testOperator(name = 'HOLO'): Promise<TestOperator> {
  const key = createOperator()
  const rolesOf: Record<AccountName, RoleName[]> = {
    ...{ SYS: [], ADMIN: ['admin_role'], AUTH: [], WORKLOAD: ['orchestrator_role', 'host_role'] },
  }
  const accountOf = (account: AccountName): TestAccount => ({
    key: createAccount(),
    signer: createAccount(),
    roles: new Map(rolesOf[account].map((role) => [role, createAccount()])),
  })
  const accounts = {
    SYS: accountOf('SYS'),
    ADMIN: accountOf('ADMIN'),
    AUTH: accountOf('AUTH'),
    WORKLOAD: accountOf('WORKLOAD'),
  }
  const curve = createCurve()
  const calloutUser = createUser()
  const v2 = { algorithm: Algorithms.v2 }
  const jwt = await encodeOperator(name, key, { system_account: accounts.SYS.key.getPublicKey() }, v2)
  const flows = flowsOf(accounts)
  const authorization = {
    auth_users: [calloutUser.getPublicKey()],
    allowed_accounts: [accounts.WORKLOAD.key.getPublicKey()],
    xkey: curve.getPublicKey(),
  }

  return {
    ...{ name, key, jwt, accounts, curve, calloutUser },
    account(account, change = {}) {
      const { key: own, signer, roles } = accounts[account]
      // Written out: what the library adds to a role (`resp`) the broker takes for a permission.
      const scoped = [...roles].map(([role, kp]) => {
        const template = { ...permissionsOf(role), subs: -1, data: -1, payload: -1 }
        return { kind: 'user_scope' as const, key: kp.getPublicKey(), role, template }
      })
      const limits = { ...LIMITS, ...(account === 'WORKLOAD' ? JETSTREAM : {}) }
      const signing_keys = [signer.getPublicKey(), ...scoped]
      return encodeAccount(
        account,
        own,
        { limits, signing_keys, ...flows[account], ...(account === 'AUTH' ? { authorization } : {}), ...change },
        { signer: key, ...v2 },
      )
    },
    async user(user, change = {}) {
      const { account, role } = USERS[user]
      const own = accounts[account]
      const kp = change.key ?? (user === 'callout_user' ? calloutUser : createUser())
      const exp = change.exp ?? Math.floor(Date.now() / 1000) + DAY
      const signer = change.signer ?? (change.unscoped ? undefined : signerOf({ accounts }, user))
      const text = await encodeUser(
        change.called ?? user,
        kp.getPublicKey(),
        change.account ?? own.key,
        { ...(role === undefined ? permissionsOfUser(user) : {}), ...change.claims },
        {
          ...v2,
          signer,
          scopedUser: role !== undefined,
          exp,
          ...(change.nbf === undefined ? {} : { nbf: change.nbf }),
        },
      )
      return { name: user, key: kp, jwt: text, creds: credsText(text, seedOf(kp)), exp }
    },
  }
}

/** Signs a user: the key of its role, or the one of its account without a role. */
export function signerOf({ accounts }: Pick<TestOperator, 'accounts'>, user: UserName): KeyPair {
  const { account, role } = USERS[user]
  const { signer, roles } = accounts[account]
  return role === undefined ? signer : roles.get(role)!
}

/** What nsc writes. */
export function credsText(jwt: string, seed: string): string {
  return `-----BEGIN NATS USER JWT-----
${jwt}
------END NATS USER JWT------

************************* IMPORTANT *************************
NKEY Seed printed below can be used to sign and prove identity.
NKEYs are sensitive and should be treated as secrets.

-----BEGIN USER NKEY SEED-----
${seed}
------END USER NKEY SEED------

*************************************************************
`
}

export function seedOf(key: KeyPair): string {
  return new TextDecoder().decode(key.getSeed())
}

/** A manifest for these users, as the host of the broker writes it. */
export function manifestFor(operator: TestOperator, users: readonly TestUser[], generation = 1): Manifest {
  return {
    version: 2,
    generation,
    operator: operator.key.getPublicKey(),
    issuedAt: new Date().toISOString(),
    files: users.map(({ name, key, creds, exp }) => ({
      name: USERS[name].creds,
      sha256: createHash('sha256').update(creds).digest('hex'),
      size: Buffer.byteLength(creds),
      user: {
        name,
        key: key.getPublicKey(),
        account: operator.accounts[USERS[name].account].key.getPublicKey(),
        signer: signerOf(operator, name).getPublicKey(),
        role: USERS[name].role ?? null,
      },
      expiresAt: new Date(exp * 1000).toISOString(),
    })),
  }
}

/** Hands over: the files, then the manifest. */
export function handOver(
  folder: string,
  manifest: Manifest,
  users: readonly TestUser[],
  modes = { folder: 0o2750, file: 0o640 },
  manifestFile: 'manifest.json' | 'current.json' = MANIFEST_FILE,
): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  chmodSync(folder, modes.folder)
  const write = (name: string, text: string): void => {
    writeFileSync(join(folder, name), text)
    chmodSync(join(folder, name), modes.file)
  }
  for (const { name, creds } of users) write(USERS[name].creds, creds)
  const isInstalled = manifestFile !== MANIFEST_FILE
  write(manifestFile, JSON.stringify({ ...manifest, ...(isInstalled ? { installedAt: manifest.issuedAt } : {}) }))
}

function permissionsOf(role: RoleName) {
  const { publish, subscribe } = ROLES[role]
  return { pub: { allow: [...publish] }, sub: { allow: [...subscribe] } }
}

function permissionsOfUser(user: UserName) {
  if (user === 'auth_guard') return { pub: { deny: ['>'] }, sub: { deny: ['>'] } }
  if (user === 'callout_user') return { sub: { allow: ['$SYS.REQ.USER.AUTH'] }, resp: { max: 1, ttl: 0 } }
  if (user === 'sys_kick') return { pub: { allow: ['$SYS.REQ.SERVER.*.KICK'] }, sub: { deny: ['>'] } }
  return {}
}

/** Between accounts only two declared streams flow. */
function flowsOf({
  ADMIN,
  WORKLOAD,
}: Record<AccountName, TestAccount>): Partial<Record<AccountName, Partial<Account>>> {
  const stream = 'stream' as const
  const from = (owner: TestAccount, subject: string) => ({
    ...{ name: subject, subject, type: stream, account: owner.key.getPublicKey() },
  })
  return {
    ADMIN: {
      exports: [{ name: 'commands', subject: 'WORKLOAD.*.cmd.>', type: stream }],
      imports: [from(WORKLOAD, 'INVENTORY.>'), from(WORKLOAD, 'WORKLOAD.*.status')],
    },
    WORKLOAD: {
      exports: [
        { name: 'inventory', subject: 'INVENTORY.>', type: stream },
        { name: 'status', subject: 'WORKLOAD.*.status', type: stream },
      ],
      imports: [from(ADMIN, 'WORKLOAD.*.cmd.>')],
    },
  }
}
