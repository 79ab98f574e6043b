import { lstat, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { decode } from '@nats-io/jwt'
import { type Creds, publicKeyOf, readCreds } from '../shared/nats/creds-text.ts'
import {
  ACCOUNT_NAMES,
  type AccountName,
  ROLE_NAMES,
  ROLES,
  USER_NAMES,
  USERS,
  type UserName,
} from '../shared/nats/roles.ts'
import {
  credsPath,
  LOCAL_KEYS,
  RESOLVER_FILE,
  SETUP_FOLDERS,
  type SetupRecord,
  type SetupUser,
  SYSTEM_ACCOUNT_FILE,
} from '../shared/nats/setup-record.ts'
import { ACCOUNTS, OWN_PERMISSIONS } from './accounts.ts'
import { type AccountClaims, type Described, type OperatorClaims, signingKeys } from './claims.ts'
import type { Configuration } from './config.ts'
import { OutputInvalid } from './failures.ts'
import { operatorFile } from './layout.ts'
import type { Nsc } from './nsc.ts'
import { allAccounts, localKeys } from './outputs.ts'

/** What a setup says of itself once every part of it was read back. */
export type Facts = Pick<SetupRecord, 'operator' | 'accounts' | 'keys'> & {
  readonly users: Readonly<Record<UserName, Omit<SetupUser, 'previous'>>>
}

type Accounts = Readonly<Record<AccountName, Described<AccountClaims>>>

/**
 * Decodes every output and holds it against the store and the built-in tables: kinds, names, who signed whom, what each may do.
 *
 * @throws OutputInvalid for the first file or account that is not what it should be
 */
export async function readFacts(nsc: Nsc, configuration: Configuration): Promise<Facts> {
  const { stateDir } = configuration
  for (const folder of ['nsc', ...Object.values(SETUP_FOLDERS)]) await demandFolder(join(stateDir, folder))
  const accounts = await allAccounts(nsc)
  const operator = await readOperator(configuration, accounts)
  for (const name of ACCOUNT_NAMES) checkAccount(name, accounts[name].claims, operator)
  const users = await readUsers(stateDir, accounts)
  checkCallout(accounts, users)
  await checkBrokerFiles(configuration, accounts.SYS.jwt)
  return {
    operator: { name: operator.name, key: operator.sub },
    accounts: mapNames(ACCOUNT_NAMES, (name) => accounts[name].claims.sub),
    users,
    keys: await readLocalKeys(stateDir, accounts),
  }
}

function mapNames<Name extends string, Value>(names: readonly Name[], value: (name: Name) => Value) {
  return Object.fromEntries(names.map((name) => [name, value(name)])) as Record<Name, Value>
}

async function demandFolder(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined)
  if (found?.isDirectory() !== true) throw new OutputInvalid(path, 'is no folder')
  demandMode(path, found.mode, 0o700)
}

/** The text of an output that nobody else can read. */
async function readOutput(path: string): Promise<string> {
  const found = await lstat(path).catch(() => undefined)
  if (found?.isFile() !== true) throw new OutputInvalid(path, found === undefined ? 'is missing' : 'is no file')
  demandMode(path, found.mode, 0o600)
  if (found.size === 0) throw new OutputInvalid(path, 'is empty')
  return readFile(path, 'utf8')
}

function demandMode(path: string, mode: number, wanted: number): void {
  const octal = (bits: number) => bits.toString(8).padStart(4, '0')
  if ((mode & 0o7777) === wanted) return
  throw new OutputInvalid(path, `has mode ${octal(mode & 0o7777)} instead of ${octal(wanted)}`)
}

async function readOperator(configuration: Configuration, { SYS }: Accounts): Promise<OperatorClaims> {
  const path = join(configuration.stateDir, operatorFile(configuration))
  const claims = decoded<OperatorClaims>(path, await readOutput(path))
  const { type, strict_signing_key_usage: strict, system_account: system } = claims.nats
  demand(path, 'is no operator JWT', type === 'operator')
  demand(path, `is of ${claims.name}`, claims.name === configuration.operator)
  demand(path, 'is not signed by the operator itself', claims.iss === claims.sub)
  demand(path, 'does not demand signing keys', strict === true)
  demand(path, 'names another system account than SYS', system === SYS.claims.sub)
  return claims
}

function decoded<Claims>(path: string, jwt: string): Claims {
  try {
    return decode(jwt.trim()) as Claims
  } catch (cause) {
    throw new OutputInvalid(path, `holds no JWT whose signature is right (${(cause as Error).message})`, { cause })
  }
}

function demand(place: string, otherwise: string, holds: boolean): void {
  if (!holds) throw new OutputInvalid(place, otherwise)
}

function checkAccount(name: AccountName, claims: AccountClaims, operator: OperatorClaims): void {
  const place = `account ${name} of the store`
  const { limits, type } = claims.nats
  const signers = [...signingKeys(operator).values()].flat()
  demand(place, 'is no account', type === 'account' && claims.name === name)
  demand(place, 'is not signed by a signing key of the operator', signers.includes(claims.iss))
  demand(place, 'has expired', claims.exp !== undefined && claims.exp * 1000 > Date.now())
  demand(place, 'lets bearer JWTs in', limits?.disallow_bearer === true)
  const { conns, subscriptions, payload, exports, imports } = ACCOUNTS[name]
  const wanted = { conn: conns, subs: subscriptions, payload, exports, imports, leaf: 0 }
  for (const [limit, most] of Object.entries(wanted)) {
    // What is none at all is left out of the JWT.
    const found = (limits as Record<string, unknown> | undefined)?.[limit] ?? 0
    demand(place, `has the limit ${limit} ${found} instead of ${most}`, found === most)
  }
  checkRoles(name, place, claims)
}

/** Which keys sign users of an account, and what each lets them do. */
function checkRoles(name: AccountName, place: string, claims: AccountClaims): void {
  const roles = ROLE_NAMES.filter((role) => ROLES[role].account === name)
  // Accounts with roles have no other key: whoever is of such an account has a role.
  const wanted = roles.length === 0 ? [''] : roles
  const found = [...signingKeys(claims)].flatMap(([role, keys]) => keys.map(() => role))
  demand(place, `has signing keys for ${found.join(', ')}`, isDeepStrictEqual(found.sort(), [...wanted].sort()))
  for (const entry of claims.nats.signing_keys ?? []) {
    if (typeof entry === 'string') continue
    const { publish, subscribe } = ROLES[entry.role as (typeof ROLE_NAMES)[number]]
    const { pub, sub, bearer_token: bearer } = entry.template
    const isAsBuiltIn = isSet(pub?.allow, publish) && isSet(sub?.allow, subscribe)
    demand(place, `has a role ${entry.role} that is not the built-in one`, isAsBuiltIn && !pub?.deny && !sub?.deny)
    demand(place, `has a role ${entry.role} for bearer JWTs`, bearer !== true)
  }
}

function isSet(found: readonly string[] | undefined, wanted: readonly string[]): boolean {
  return isDeepStrictEqual([...(found ?? [])].sort(), [...wanted].sort())
}

async function readUsers(stateDir: string, accounts: Accounts): Promise<Facts['users']> {
  const entries: [UserName, Facts['users'][UserName]][] = []
  for (const name of USER_NAMES) {
    const path = join(stateDir, credsPath(name))
    const creds = readCreds(await readOutput(path))
    if (creds === undefined) throw new OutputInvalid(path, 'holds no credentials of a user')
    entries.push([name, userFacts(name, path, creds, accounts)])
  }
  return Object.fromEntries(entries) as Facts['users']
}

function userFacts(name: UserName, path: string, { claims }: Creds, accounts: Accounts): Facts['users'][UserName] {
  const { account, role } = USERS[name]
  const { claims: owner } = accounts[account]
  demand(path, `is of ${claims.name}`, claims.name === name)
  demand(path, `is of another account than ${account}`, claims.nats.issuer_account === owner.sub)
  const signers = signingKeys(owner).get(role ?? '') ?? []
  demand(path, `is not signed by the key ${role ? `of ${role}` : `of ${account}`}`, signers.includes(claims.iss))
  demand(path, 'is a bearer JWT', claims.nats.bearer_token !== true)
  demand(path, 'says itself what it may do', role === undefined || isScoped(claims.nats))
  demand(path, 'may do something else than it should', role !== undefined || mayAsBuiltIn(name, claims.nats))
  if (claims.exp === undefined) throw new OutputInvalid(path, 'never expires')
  const expiresAt = new Date(claims.exp * 1000).toISOString()
  return { key: claims.sub, account: owner.sub, signer: claims.iss, role: role ?? null, expiresAt }
}

type UserNats = Creds['claims']['nats']

/** Only then does the broker take the permissions from the signing key. */
function isScoped({ pub, sub, resp, subs, data, payload, src, times }: UserNats): boolean {
  return isNothing(pub) && isNothing(sub) && [resp, subs, data, payload, src, times].every((one) => one === undefined)
}

function isNothing(value: unknown): boolean {
  return value === undefined || isDeepStrictEqual(value, {})
}

function mayAsBuiltIn(name: UserName, { pub, sub, resp }: UserNats): boolean {
  const { publish = {}, subscribe = {}, respond } = OWN_PERMISSIONS[name] ?? {}
  const isResponder = (resp as { max?: number } | undefined)?.max === 1
  return (
    isDeepStrictEqual(pub ?? {}, publish) &&
    isDeepStrictEqual(sub ?? {}, subscribe) &&
    (respond ? isResponder : resp === undefined)
  )
}

function checkCallout({ AUTH, WORKLOAD }: Accounts, { callout_user: user }: Facts['users']): void {
  const { auth_users: users = [], allowed_accounts: allowed = [] } = AUTH.claims.nats.authorization ?? {}
  const place = 'account AUTH of the store'
  // While credentials of the callout overlap, it has two keys.
  demand(place, 'does not ask callout_user', users.includes(user.key))
  demand(place, 'lets the callout admit to another account than WORKLOAD', isSet(allowed, [WORKLOAD.claims.sub]))
}

async function readLocalKeys(stateDir: string, { AUTH, WORKLOAD }: Accounts): Promise<Facts['keys']> {
  const keys = localKeys(AUTH.claims, WORKLOAD.claims)
  for (const name of ['response', 'hostRole', 'curve'] as const) {
    const path = join(stateDir, SETUP_FOLDERS.local, LOCAL_KEYS[name])
    const seed = (await readOutput(path)).trim()
    demand(path, `is not the seed of ${keys[name]}`, publicKeyOf(seed) === keys[name])
  }
  return keys
}

async function checkBrokerFiles({ stateDir, resolverDir }: Configuration, system: string): Promise<void> {
  const path = join(stateDir, SYSTEM_ACCOUNT_FILE)
  demand(path, 'is not the claims of SYS in the store', (await readOutput(path)).trim() === system)
  const resolver = join(stateDir, RESOLVER_FILE)
  const text = await readOutput(resolver)
  demand(resolver, 'does not preload SYS.jwt', text.includes(system))
  demand(resolver, `does not keep claims in ${resolverDir}`, text.includes(`dir: ${JSON.stringify(resolverDir)}`))
}
