import { fmtCreds, fromSeed, type KeyPair } from '@nats-io/jwt'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { nats } from '../../protocols/nats/index.ts'
import { type Broker, startBroker } from '../../protocols/nats/testing/broker.ts'
import { Realm, type RealmAccount } from '../../protocols/nats/testing/realm.ts'
import type { PlannedCheck } from '../../topology/verification.ts'
import type { HeldFiles } from '../credential-kind.ts'
import { KnownSecrets } from '../known-secrets.ts'
import type { JudgedCall, MadeRecord } from '../live-kind.ts'
import type { LiveSite } from '../live-site.ts'
import type { Presented } from '../parts.ts'
import { leaksIn, redact, secretsIn, secretsOf } from '../secrets.ts'
import { credsChecks } from './checks.ts'
import { credsFindings } from './findings.ts'
import { liveNatsCreds as live } from './live.ts'
import type { PlanNatsCreds } from './planned.ts'
import type { UserCreds } from './user-creds.ts'

const permissions = { publish: ['work.>'], subscribe: ['work.>'] }
const planned: PlanNatsCreds = {
  ...{ name: 'creds', kind: 'nats-creds', issuer: 'nats-1', holders: ['b'], handover: 'copy', operator: 'HOLO' },
  ...{ account: 'WORK', user: 'worker', permissions, users: ['WORK/worker'], folder: '@{dir}/creds' },
  ...{ source: '@{dir}/out', certificate: 'cert-b', files: { b: '@{dir}/creds/worker.creds' } },
  insider: {
    ...{ keys: '@{dir}/keys', record: '@{dir}/setup.json', revoke: 'revoke' },
    ...{ signer: { account: 'WORK', key: ['keys', 'work'] }, pusher: '@{dir}/push/pusher.creds' },
  },
}
const realm = new Realm()
const roles = { worker: { pub: { allow: permissions.publish }, sub: { allow: permissions.subscribe } } }
const [system, work, other] = ['SYS', 'WORK', 'OTHER'].map((name) => realm.account(name, roles)) as [
  RealmAccount,
  RealmAccount,
  RealmAccount,
]
const limits = { disallow_bearer: true }
let broker: Broker
let user: UserCreds & { id: string }
let site: LiveSite
let files: Record<string, string>
const textOf = (key: KeyPair) => Buffer.from(key.getSeed()).toString()
const pathOf = (key: KeyPair) => key.getPublicKey().replace(/^(.)(..).*$/, '@{dir}/keys/$1/$2/$&.nk')
const creds = ({ jwt, seed }: UserCreds) => Buffer.from(fmtCreds(jwt, fromSeed(Buffer.from(seed)))).toString()

beforeAll(async () => {
  const accounts = [system, work, other]
  const jwts = await Promise.all(accounts.map(async (one) => [one.id, await one.jwt({ limits })] as const))
  broker = await startBroker({ realm, system, accounts: Object.fromEntries(jwts), address: '127.77.4.1' })
  user = await work.user('worker', 'worker')
  files = {
    '@{dir}/creds/worker.creds': creds(user),
    '@{dir}/setup.json': JSON.stringify({
      accounts: { WORK: work.id, OTHER: other.id },
      keys: { work: work.signer.getPublicKey() },
    }),
    ...Object.fromEntries(
      [work.key, work.signer, ...work.signers.values()].map((key) => [pathOf(key), `${textOf(key)}\n`]),
    ),
  }
  site = {
    read: async (_: string, path: string) => files[path] ?? Promise.reject(new Error(`${path} is not there`)),
    held: async () => ({ certificate: broker.client }),
    fresh: async () => ({ certificate: broker.client }),
    async run(node: string, unit: string, input: string) {
      expect([node, unit]).toEqual(['nats-1', 'revoke'])
      const { account, key } = JSON.parse(input)
      expect(account).toBe('WORK')
      await broker.push(await work.jwt({ limits, revocations: { [key]: Math.floor(Date.now() / 1000) + 1 } }))
      return { code: 0, stderr: '' }
    },
  } as unknown as LiveSite
})

afterAll(() => broker?.[Symbol.asyncDispose]())

async function errorOf(presented: Presented) {
  const { answer, session } = await nats.prepare({ request: {}, presented, options: {} }).send(broker.endpoint)
  onTestFinished(() => session?.close())
  return answer.error
}

test('a fresh one is that which lies at its holder, over the certificate that goes with it', async () => {
  const presented = await live.fresh(planned, site, 'b')
  expect(presented).toEqual({ certificate: broker.client, creds: { jwt: user.jwt, seed: user.seed } })
  expect(await live.held(planned, site, 'b')).toEqual(presented)
  const certificate = { certPem: 'x', keyPem: 'y' }
  expect((await live.fresh(planned, site, 'b', { certificate })).certificate).toEqual(certificate)
  expect(await errorOf(presented)).toBeNull()
})

const states = Object.keys(credsChecks.states).filter((state) => state !== 'fresh')

test.each(states)('%s: the broker lets nobody in with that', async (state) => {
  const fresh = await live.fresh(planned, site, 'b')
  const { creds: made } = await live.spoil[state]!(fresh, planned, site)
  // A broker that does not demand signing keys believes that of the account.
  const error = state === 'signed by its account' ? null : 'Authorization Violation'
  expect(await errorOf({ ...fresh, creds: made })).toBe(error)
  expect(made).not.toEqual(fresh.creds)
})

test('where nothing is known of the keys, what needs one is not made', async () => {
  const fresh = await live.fresh(planned, site, 'b')
  const foreign = { ...planned, insider: undefined }
  await expect(live.spoil.expired!(fresh, foreign, site)).rejects.toMatchObject({ code: 'HOLDFAST_NO_OTHER' })
  expect(await live.spoil['without a key']!(fresh, foreign, site)).toMatchObject({ creds: { seed: '' } })
  const failing = { ...site, run: async () => ({ code: 1, stderr: 'no broker' }) } as unknown as LiveSite
  await expect(live.spoil.revoked!(fresh, planned, failing)).rejects.toMatchObject({ code: 'HOLDFAST_NOT_ISSUED' })
})

test('an accept names the user, and no summary shows what logs him in', async () => {
  const summary = live.summary({ creds: user })!
  const signer = work.signers.get('worker')!.getPublicKey()
  expect(summary).toEqual({ user: user.id, name: 'worker', account: work.id, issuer: signer, hasKey: true })
  expect(live.proves(summary)).toEqual({ user: user.id })
  expect(live.explanation(summary)).toEqual([`creds     worker (${user.id}) of ${work.id}, until it is revoked`])
  const brief = live.summary({ creds: { ...(await work.user('x', 'worker', {}, { exp: 0x7000_0000 })), seed: '' } })!
  expect(live.explanation(brief)[0]).toMatch(/ until 2029-07-18T[\d:.]+Z, without a key$/)
  expect(live.summary({ creds: { jwt: 'a.b', seed: '' } })).toMatchObject({ name: 'unreadable', user: '' })
  expect(live.summary({ token: 'x' })).toBeUndefined()
  expect(live.explanation(undefined)).toEqual([])
})

test('whoever is let in without a callout needs no token beside, and the one who asks it does', () => {
  const deciding = (user: string) => ({ check: 'nats-creds/not-deferred', args: { user }, settles: true }) as const
  const suffices = (...checks: readonly PlannedCheck[]) => live.suffices!({ creds: user }, { takes: [], checks })

  expect([suffices(deciding('other')), suffices(deciding('worker')), suffices()]).toEqual([true, false, false])
})

test('a record that names another user speaks against the call', () => {
  const call = { credential: { creds: live.summary({ creds: user }) }, to: 'nats-1', principal: {} }
  const judged = (principal: Record<string, string>) => ({ ...call, principal }) as unknown as JudgedCall
  const record = (principal: Record<string, string>) => ({ principal }) as unknown as MadeRecord
  const problem = `nats-1 proved the user UX, presented was ${user.id}`
  expect(live.mismatch!(judged({}))).toBeUndefined()
  expect(live.mismatch!(judged({ user: user.id }))).toBeUndefined()
  expect(live.mismatch!(judged({ user: 'UX' }))).toBe(problem)
  expect(live.refusalProblems!(judged({}), record({}))).toEqual([])
  expect(live.refusalProblems!(judged({}), record({ user: 'UX' }))).toEqual([problem])
})

test('seeds and JWTs are taken out of texts, public keys stay, and whoever writes a seed down is found', () => {
  const content = creds(user)
  for (const text of [content, `login ${user.jwt} by ${user.seed}.`, JSON.stringify({ seed: user.seed })]) {
    expect(redact(text)).not.toContain(user.seed)
    expect(redact(text)).not.toContain(user.jwt)
    expect(secretsIn(text, new KnownSecrets())).toContain('the seed of a NATS key')
  }
  const open = `user ${user.id} of ${work.id}`
  expect(redact(open)).toBe(open)
  expect(secretsIn(open, new KnownSecrets())).toEqual([])
  for (const key of [realm.key, work.key]) expect(redact(textOf(key))).toMatch(/^S[AO].{6}…$/)
  expect(leaksIn(`it was ${user.seed}`, [user.seed])).not.toEqual([])
  const known = secretsOf(content).map(String)
  expect(known).toContain(user.seed)
  expect(known.filter((one) => one.includes('*') || one.includes('---'))).toEqual([])
})

test.each<[string, () => Promise<string> | string, string[]]>([
  ['as it should be', () => creds(user), []],
  ['cut off', () => creds(user).slice(0, 300), ['readable']],
  ['with an edited JWT', () => creds(user).replace(user.jwt, user.jwt.replace(/\.(.)/, '.f')), ['readable']],
  ['of another user', async () => creds(await work.user('boss', 'worker')), ['creds-swapped']],
  ['with another key', async () => creds({ ...user, seed: (await work.user('x')).seed }), ['key']],
  ['that ends soon', async () => creds(await work.user('worker', 'worker', {}, { exp: inSeconds(30) })), ['time-left']],
  ['that has ended', async () => creds(await work.user('worker', 'worker', {}, { exp: inSeconds(-5) })), ['time-left']],
  ['without any key', async () => creds(await work.user('worker', undefined, { bearer_token: true })), ['bearer']],
  [
    'of an account',
    async () => creds({ jwt: await work.jwt(), seed: textOf(work.key) }),
    ['readable', 'creds-swapped'],
  ],
])('a preflight of a file %s', async (_, text, found) => {
  const content = await text()
  const at = { read: async () => content, now: Date.now() } as unknown as HeldFiles
  const findings = await credsFindings([planned], at)
  expect(findings.map(({ check }) => check)).toEqual(found)
  for (const { thing, place } of findings) expect([thing, place]).toEqual(['creds', 'b @{dir}/creds/worker.creds'])
})

const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds
