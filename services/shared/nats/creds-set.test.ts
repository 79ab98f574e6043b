import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { CredsDemand } from './creds-demand.ts'
import { credsSet } from './creds-folder-guards.ts'
import { CredsRefused, credsFor, readCredsSet } from './creds-set.ts'
import {
  handOver,
  manifestFor,
  seedOf,
  type TestOperator,
  type TestUser,
  testOperator,
  type UserChange,
} from './testing/operator.ts'

// Each reason of each guard beside the same folder as it must be, which passes them all.

const root = mkdtempSync(join(tmpdir(), 'holdfast-creds-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

let operator: TestOperator
let admin: TestUser
let worker: TestUser

beforeAll(async () => {
  operator = await testOperator()
  admin = await operator.user('admin_user')
  worker = await operator.user('orchestrator_user')
})

let made = 0

function handed(users: readonly TestUser[] = [admin, worker]): CredsDemand {
  made += 1
  const folder = join(root, `handover-${made}`)
  handOver(folder, manifestFor(operator, users), users)
  return {
    ...{ folder, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, fileMode: 0o640 },
    ...{ manifestFile: 'manifest.json', users: ['admin_user', 'orchestrator_user'], now: Date.now },
  }
}

function refusal(demand: CredsDemand): string {
  try {
    readCredsSet(demand)
  } catch (failure) {
    if (!(failure instanceof CredsRefused)) throw failure
    expect(failure.message).toContain(demand.folder)
    expect(failure.message).not.toMatch(/S[UAOX][A-Z2-7]{56}|eyJ/)
    return `${failure.guard} ${failure.reason}`
  }
  return 'none'
}

const worked = (demand: CredsDemand): string => join(demand.folder, 'orchestrator_auth.creds')

/** A link to a folder: whoever hands a whole set over at once leads it to the next one. */
function linkTo(folder: string): string {
  symlinkSync(folder, `${folder}-link`)
  return `${folder}-link`
}

test('a set that is as it must be is read, each file with its user', () => {
  const set = readCredsSet(handed())

  expect(set.manifest.generation).toBe(1)
  expect(credsFor(set, 'orchestrator_user').creds).toMatchObject({ jwt: worker.jwt, seed: seedOf(worker.key) })
  expect(credsFor(set, 'admin_user').creds.claims).toMatchObject({ name: 'admin_user', sub: admin.key.getPublicKey() })
})

test.each<[string, (demand: CredsDemand) => Partial<CredsDemand> | undefined]>([
  ['creds.folder folder_owner_invalid', ({ uid }) => ({ uid: uid + 1 })],
  ['creds.folder folder_owner_invalid', ({ gid = 0 }) => ({ gid: gid + 1 })],
  ['creds.folder folder_owner_invalid', ({ folder }) => void renameSync(folder, `${folder}-elsewhere`)],
  ['creds.folder folder_mode_invalid', ({ folder }) => chmodSync(folder, 0o2770) as undefined],
  ['creds.folder folder_mode_invalid', ({ folder }) => chmodSync(folder, 0o755) as undefined],
  ['creds.folder folder_mode_invalid', ({ folder }) => chmodSync(folder, 0o751) as undefined],
  ['creds.manifest manifest_missing', ({ folder }) => void unlinkSync(join(folder, 'manifest.json'))],
  ['creds.manifest manifest_invalid', ({ folder }) => void writeFileSync(join(folder, 'manifest.json'), '{')],
  ['creds.manifest manifest_invalid', (demand) => void changeManifest(demand, { version: 1 })],
  ['creds.manifest manifest_invalid', () => ({ users: ['orchestrator_user'] })],
  ['creds.manifest manifest_invalid', () => ({ users: ['admin_user', 'orchestrator_user', 'auth_guard'] })],
  ['creds.manifest generation_old', () => ({ installed: manifestFor(operator, [admin, worker], 2) })],
  ['creds.manifest manifest_invalid', ({ folder }) => chmodSync(join(folder, 'manifest.json'), 0o666) as undefined],
  [
    'creds.manifest manifest_invalid',
    ({ folder }) => linkSync(join(folder, 'manifest.json'), `${folder}-m`) as undefined,
  ],
  ['creds.manifest manifest_invalid', (demand) => behindLink(demand, 'manifest.json')],
  ['creds.set file_unexpected', ({ folder }) => void writeFileSync(join(folder, 'notes.txt'), 'x')],
  ['creds.set file_unexpected', ({ folder }) => void writeFileSync(join(folder, 'HOLO.jwt'), operator.jwt)],
  ['creds.set file_unexpected', (demand) => void writeFileSync(worked(demand), operator.jwt)],
  ['creds.set signing_key_found', ({ folder }) => void writeFileSync(join(folder, 'O.nk'), seedOf(operator.key))],
  [
    'creds.set signing_key_found',
    (demand) => void writeFileSync(worked(demand), `${worker.creds}${seedOf(operator.accounts.WORKLOAD.key)}`),
  ],
  [
    'creds.set signing_key_found',
    ({ folder }) => void writeFileSync(join(folder, 'xkey'), `"${seedOf(operator.curve)}"`),
  ],
  ['creds.set signing_key_found', ({ folder }) => void mkdirSync(join(folder, 'nkeys'))],
  ['creds.set signing_key_found', ({ folder }) => void mkdirSync(join(folder, 'keys'))],
  ['creds.set signing_key_found', ({ folder }) => void writeFileSync(join(folder, '.tmp-1f'), seedOf(operator.key))],
  ['creds.set file_unexpected', ({ folder }) => void writeFileSync(join(folder, '.tmp-1f'), operator.jwt)],
  ['creds.set file_unexpected', ({ folder }) => void mkdirSync(join(folder, '.tmp-keys'))],
  ['creds.file file_link_count', (demand) => void linkSync(worked(demand), `${demand.folder}-second`)],
  ['creds.file file_link_count', (demand) => behindLink(demand)],
  ['creds.file file_mode_invalid', (demand) => chmodSync(worked(demand), 0o644) as undefined],
  ['creds.file file_mode_invalid', (demand) => chmodSync(worked(demand), 0o600) as undefined],
  ['creds.file file_empty', (demand) => void writeFileSync(worked(demand), '')],
  ['creds.file file_empty', (demand) => void unlinkSync(worked(demand))],
  [
    'creds.file digest_mismatch',
    (demand) => void writeFileSync(worked(demand), worker.creds.replace('IMPORTANT', 'IMPORTANT ')),
  ],
  ['creds.file digest_mismatch', (demand) => void writeFileSync(worked(demand), admin.creds)],
  ['creds.file digest_mismatch', (demand) => void writeFileSync(worked(demand), 'x'.repeat(65_537))],
  [
    'creds.claims operator_changed',
    () => ({ installed: { ...manifestFor(operator, [admin, worker]), operator: `O${'A'.repeat(55)}` } }),
  ],
  ['none', () => ({ installed: manifestFor(operator, [admin, worker]) })],
  ['none', (demand) => ({ folder: linkTo(demand.folder) })],
  ['none', ({ folder }) => void writeFileSync(join(folder, '.tmp-1f'), 'of somebody who writes the next set')],
])('%s', (expected, change) => {
  const demand = handed()

  expect(refusal({ ...demand, ...change(demand) })).toBe(expected)
})

test('what cannot be listed is not empty', () => {
  const demand = handed()

  expect(credsSet.check({ demand })).toBeUndefined()
  expect(credsSet.check({ demand: { ...demand, folder: worked(demand) } })).toMatchObject({ reason: 'file_unexpected' })
})

test.runIf(process.getuid?.() === 0)('a file of somebody else is refused', () => {
  const demand = handed()
  chownSync(worked(demand), 65_534, demand.gid ?? 0)

  expect(refusal(demand)).toBe('creds.file file_owner_invalid')
})

test.runIf(process.getuid?.() === 0)('a manifest of somebody else is refused', () => {
  const demand = handed()
  chownSync(join(demand.folder, 'manifest.json'), 65_534, demand.gid ?? 0)

  expect(refusal(demand)).toBe('creds.manifest manifest_invalid')
})

const seconds = (offset: number): number => Math.floor(Date.now() / 1000) + offset

test.each<[string, () => UserChange]>([
  ['none', () => ({})],
  ['creds.claims creds_user_mismatch', () => ({ called: 'admin_user' })],
  ['creds.claims creds_account_mismatch', () => account('ADMIN')],
  ['creds.claims creds_unscoped', () => ({ unscoped: true })],
  ['creds.claims creds_unscoped', () => ({ signer: operator.accounts.WORKLOAD.roles.get('host_role')! })],
  ['creds.claims creds_unscoped', () => ({ signer: operator.accounts.WORKLOAD.signer })],
  ['none', () => ({ signer: operator.accounts.WORKLOAD.roles.get('orchestrator_role')! })],
  ['creds.claims creds_unscoped', () => ({ claims: { pub: { allow: ['>'] } } })],
  ['creds.claims creds_unscoped', () => ({ claims: { subs: -1 } })],
  ['creds.claims creds_bearer', () => ({ claims: { bearer_token: true } })],
  ['creds.time creds_expired', () => ({ exp: seconds(-1) })],
  ['creds.time creds_not_yet_valid', () => ({ nbf: seconds(90) })],
  ['none', () => ({ nbf: seconds(30) })],
])('%s, by what stands in the JWT', async (expected, change) => {
  const changed = await operator.user('orchestrator_user', change())

  expect(refusal(handed([admin, changed]))).toBe(expected)
})

test('the key is the one that the manifest names', async () => {
  const demand = handed()
  const other = await operator.user('orchestrator_user')
  const manifest = manifestFor(operator, [admin, other])
  manifest.files[1]!.user.key = worker.key.getPublicKey()
  handOver(demand.folder, manifest, [admin, other])

  expect(refusal(demand)).toBe('creds.claims creds_user_mismatch')
})

test('whether a role is needed is not for the manifest to say', async () => {
  const unscoped = await operator.user('orchestrator_user', { unscoped: true, claims: { pub: { allow: ['>'] } } })
  const demand = handed([admin, unscoped])
  const manifest = manifestFor(operator, [admin, unscoped])
  manifest.files[1]!.user.role = null
  handOver(demand.folder, manifest, [admin, unscoped])

  expect(refusal(demand)).toBe('creds.claims creds_unscoped')
})

test.each<[string, UserChange]>([
  ['none', {}],
  ['creds.claims creds_unscoped', { unscoped: true }],
])('%s, of a user without a role', async (expected, change) => {
  const demand = handed([await operator.user('auth_guard', change)])

  expect(refusal({ ...demand, users: ['auth_guard'] })).toBe(expected)
})

test('the account itself is no signing key, whoever says so', async () => {
  const unscoped = await operator.user('orchestrator_user', { unscoped: true })
  const demand = handed([admin, unscoped])
  const manifest = manifestFor(operator, [admin, unscoped])
  manifest.files[1]!.user.signer = manifest.files[1]!.user.account
  handOver(demand.folder, manifest, [admin, unscoped])

  expect(refusal(demand)).toBe('creds.claims creds_unscoped')
})

test('a clock that is behind makes what has just been issued not yet valid', () => {
  const demand = handed()

  expect(refusal({ ...demand, now: () => Date.now() - 50_000 })).toBe('none')
  expect(refusal({ ...demand, now: () => Date.now() - 300_000 })).toBe('creds.time creds_not_yet_valid')
})

test('admin credentials under the other name are refused', () => {
  const demand = handed()
  const manifest = manifestFor(operator, [admin, worker])
  const swapped = manifest.files.map((file, at) => ({ ...file, name: manifest.files[1 - at]!.name }))
  handOver(demand.folder, { ...manifest, files: swapped }, [
    { ...admin, name: 'orchestrator_user' },
    { ...worker, name: 'admin_user' },
  ])

  expect(refusal(demand)).toBe('creds.claims creds_user_mismatch')
})

test.each<[string, (creds: string) => string, string]>([
  ['of an independent maker', (creds) => creds.replace(' to sign', ' sign').replace(/\n\*{61}\n$/, ''), 'none'],
  ['with CRLF', (creds) => creds.replaceAll('\n', '\r\n'), 'none'],
  ['with a byte order mark', (creds) => `\uFEFF${creds}`, 'malformed'],
  ['with something after it', (creds) => `${creds}more\n`, 'malformed'],
  ['with something before it', (creds) => `\n${creds}`, 'malformed'],
  ['cut within its JWT', (creds) => creds.slice(0, 200), 'malformed'],
  ['without its seed', (creds) => creds.slice(0, creds.indexOf('-----BEGIN USER')), 'malformed'],
  ['with five dashes before END', (creds) => creds.replaceAll('------END', '-----END'), 'malformed'],
  [
    'with its seed in small letters',
    (creds) => creds.replace(/SU[A-Z2-7]{56}/, (seed) => seed.toLowerCase()),
    'malformed',
  ],
  ['with another seed', (creds) => creds.replace(/SU[A-Z2-7]{56}/, seedOf(admin.key)), 'malformed'],
  [
    'with a JWT that was changed',
    (creds) => creds.replace(/\.(...)/, (_, three: string) => `.${[...three].reverse().join('')}`),
    'malformed',
  ],
  ['without its banner', (creds) => creds.replace(/\*{25} IMP[^-]*/, ''), 'malformed'],
])('a file %s', (_, change, expected) => {
  const changed = { ...worker, creds: change(worker.creds) }
  expect(changed.creds).not.toBe(worker.creds)

  expect(refusal(handed([admin, changed]))).toBe(expected === 'none' ? 'none' : 'creds.form creds_malformed')
})

function account(name: 'ADMIN'): UserChange {
  return { account: operator.accounts[name].key }
}

function behindLink({ folder }: CredsDemand, name = 'orchestrator_auth.creds'): undefined {
  renameSync(join(folder, name), `${folder}-real`)
  symlinkSync(`${folder}-real`, join(folder, name))
}

function changeManifest({ folder }: CredsDemand, change: object): void {
  const file = join(folder, 'manifest.json')
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...change }))
}
