import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ACCOUNT_NAMES, type AccountName, USER_NAMES, USERS, type UserName } from '../shared/nats/roles.ts'
import {
  credsPath,
  LOCAL_KEYS,
  RESOLVER_FILE,
  SETUP_FOLDERS,
  SYSTEM_ACCOUNT_FILE,
} from '../shared/nats/setup-record.ts'
import { type AccountClaims, accountClaims, operatorClaims, signingKeys } from './claims.ts'
import type { Configuration } from './config.ts'
import { NscFailed } from './failures.ts'
import { syncFolder, writeWhole } from './files.ts'
import { nscFolder, operatorFile } from './layout.ts'
import type { Nsc } from './nsc.ts'
import { together } from './together.ts'

// What is made from the store. Each file is replaced as a whole, so that it can be made again while others read it.

const PRIVATE = { mode: 0o600 }

/** Everything, in folders (0700) that only the user of this program enters. */
export async function writeOutputs(nsc: Nsc, configuration: Configuration): Promise<void> {
  const { stateDir } = configuration
  for (const folder of Object.values(SETUP_FOLDERS))
    await mkdir(join(stateDir, folder), { recursive: true, mode: 0o700 })
  // Only commands that read: these may overlap.
  await together<unknown>([
    writeBrokerFiles(nsc, configuration),
    writeLocalKeys(nsc, configuration),
    ...USER_NAMES.map((name) => writeCreds(nsc, configuration, name)),
  ])
  for (const folder of ['', ...Object.values(SETUP_FOLDERS)]) await syncFolder(join(stateDir, folder))
}

/** What the broker reads: whom it trusts, and the claims of the system account. */
export async function writeBrokerFiles(nsc: Nsc, configuration: Configuration): Promise<void> {
  const { stateDir } = configuration
  const [operator, system, resolver] = await Promise.all([
    operatorClaims(nsc),
    accountClaims(nsc, 'SYS'),
    resolverText(nsc, configuration),
  ])
  await writeWhole(join(stateDir, operatorFile(configuration)), `${operator.jwt}\n`, PRIVATE)
  await writeWhole(join(stateDir, SYSTEM_ACCOUNT_FILE), `${system.jwt}\n`, PRIVATE)
  await writeWhole(join(stateDir, RESOLVER_FILE), resolver, PRIVATE)
}

/** How long a broker asks other brokers for claims that it lacks. Clients give up after 2 s, and would not hear that they were refused. */
const FETCH_WITHIN = '1s'

/**
 * As nsc writes it, but for three things: where claims are kept, how long others are asked for them, and the operator, which the broker
 * has from its own file.
 */
async function resolverText(nsc: Nsc, { resolverDir }: Configuration): Promise<string> {
  const args = ['generate', 'config', '--nats-resolver', '--sys-account', 'SYS']
  const text = await nsc.run(args)
  const changed = text
    .replace(/^# Operator named .*\noperator: .*\n/m, '')
    .replace(/^(\s*)dir: .*$/m, (_, indent: string) => `${indent}dir: ${JSON.stringify(resolverDir)}`)
    .replace(/^(\s*)timeout: .*$/m, (_, indent: string) => `${indent}timeout: ${JSON.stringify(FETCH_WITHIN)}`)
  const wanted = [`dir: ${JSON.stringify(resolverDir)}`, `timeout: ${JSON.stringify(FETCH_WITHIN)}`]
  if (/^operator:/m.test(changed) || !wanted.every((line) => changed.includes(line))) {
    throw new NscFailed(`nsc ${args.join(' ')}`, 'printed a configuration in another form than that of 2.15')
  }
  return changed
}

/** Makes the credentials file of a user anew, from what the store has of it. */
export async function writeCreds(nsc: Nsc, { stateDir }: Configuration, name: UserName): Promise<void> {
  const creds = await nsc.run(['generate', 'creds', '--account', USERS[name].account, '--name', name])
  // On its standard output it ends with one line more than in a file.
  await writeWhole(join(stateDir, credsPath(name)), `${creds.trimEnd()}\n`, PRIVATE)
}

/** Public keys of what the callout has the seeds of. */
export function localKeys(auth: AccountClaims, workload: AccountClaims): Record<keyof typeof LOCAL_KEYS, string> {
  return {
    response: signingKeys(auth).get('')?.[0] ?? '',
    hostRole: signingKeys(workload).get('host_role')?.[0] ?? '',
    curve: auth.nats.authorization?.xkey ?? '',
  }
}

async function writeLocalKeys(nsc: Nsc, configuration: Configuration): Promise<void> {
  const [auth, workload] = await Promise.all([accountClaims(nsc, 'AUTH'), accountClaims(nsc, 'WORKLOAD')])
  const { response, hostRole, curve } = localKeys(auth.claims, workload.claims)
  const folder = join(configuration.stateDir, SETUP_FOLDERS.local)
  const places = [
    { key: response, of: ['--accounts'], to: LOCAL_KEYS.response },
    { key: hostRole, of: ['--accounts'], to: LOCAL_KEYS.hostRole },
    // Curve keys are looked for in the account at hand.
    { key: curve, of: ['--account', 'AUTH', '--curves'], to: LOCAL_KEYS.curve },
  ]
  await together(
    places.map(async ({ key, of, to }) => {
      const seed = await exportedSeed(nsc, configuration, key, of)
      await writeWhole(join(folder, to), seed, PRIVATE)
    }),
  )
}

async function exportedSeed(nsc: Nsc, configuration: Configuration, key: string, of: string[]): Promise<string> {
  const folder = join(nscFolder(configuration), `export-${key}`)
  await rm(folder, { recursive: true, force: true })
  try {
    await nsc.run(['export', 'keys', ...of, '--filter', key, '--dir', folder])
    const [file = '', ...others] = await readdir(folder)
    if (others.length > 0) throw new NscFailed('nsc export keys', `found several keys like ${key}`)
    return `${(await readFile(join(folder, file), 'utf8')).trim()}\n`
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Claims of every account in the store. */
export async function allAccounts(nsc: Nsc): Promise<Record<AccountName, Awaited<ReturnType<typeof accountClaims>>>> {
  const entries = await Promise.all(ACCOUNT_NAMES.map(async (name) => [name, await accountClaims(nsc, name)] as const))
  return Object.fromEntries(entries) as Record<AccountName, Awaited<ReturnType<typeof accountClaims>>>
}
