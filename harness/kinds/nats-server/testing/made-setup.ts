import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { type Account, fmtCreds, fromSeed, type KeyPair } from '@nats-io/jwt'
import { z } from 'zod'
import { Realm, type RealmAccount } from '../../../protocols/nats/testing/realm.ts'
import { defineKind, type UnitContext } from '../../../topology/kind.ts'
import type { Step, Template } from '../../../topology/plan.ts'
import { operatorFile, resolverFile, resolverFolder, setupFile, setupFolder } from '../../nats-files.ts'

// A setup that the NATS JWT library made while this file was loaded, in the place of one by nsc: so that a broker can be tried alone.

const realm = new Realm()
const all = { pub: { allow: ['>'] }, sub: { allow: ['>'] } }
const permissions = {
  worker: { publish: ['work.*.cmd', '$SYS.REQ.USER.INFO'], subscribe: ['work.*.status', '_INBOX.worker.>'] },
  reporter: { publish: ['work.*.status'], subscribe: [] },
  boss: { publish: ['admin.>'], subscribe: ['admin.>'] },
}
/** No list at all would allow all. */
const roleOf = ({ publish, subscribe }: { publish: string[]; subscribe: string[] }) => {
  return { pub: { allow: publish }, sub: subscribe.length > 0 ? { allow: subscribe } : { deny: ['>'] } }
}
const [system, work, admin] = [
  realm.account('SYS', { pusher: all }),
  realm.account('WORK', { worker: roleOf(permissions.worker), reporter: roleOf(permissions.reporter) }),
  realm.account('ADMIN', { boss: roleOf(permissions.boss) }),
]
const accounts = [system, work, admin]
const more: Partial<Account> = { limits: { disallow_bearer: true } }
const jwts = Object.fromEntries(await Promise.all(accounts.map(async (one) => [one.id, await one.jwt(more)] as const)))
const operators = ['own', 'other', 'strict other'] as const
const operatorJwts = {
  own: await realm.jwt(system, { isStrict: true }),
  /** Of the same name, and with keys of its own. */
  other: await new Realm(realm.name).jwt(system),
  'strict other': await new Realm(realm.name).jwt(system, { isStrict: true }),
}
const creds = {
  'worker.creds': await credsOf(work, 'worker'),
  'reporter.creds': await credsOf(work, 'reporter'),
  'boss.creds': await credsOf(admin, 'boss'),
  'pusher.creds': await credsOf(system, 'pusher'),
}

async function credsOf(account: RealmAccount, user: string): Promise<string> {
  const { jwt, seed } = await account.user(user, user)
  return Buffer.from(fmtCreds(jwt, fromSeed(Buffer.from(seed)))).toString()
}

const keys = [realm.signer, ...accounts.flatMap(({ key, signer, signers }) => [key, signer, ...signers.values()])]

/** As nsc keeps them. */
function keyPath(folder: string, key: KeyPair): string {
  const [, sort, two, rest] = /^(.)(..)(.*)$/.exec(key.getPublicKey())!
  return `${folder}/${sort}/${two}/${sort}${two}${rest}.nk`
}

/** What is secret stands in no plan, nor does what looks like it: it is copied from here. */
const secrets = mkdtempSync(join(tmpdir(), 'holdfast-made-setup-'))
process.once('exit', () => rmSync(secrets, { recursive: true, force: true }))

let made = 0

function copied(path: Template, content: string): Step {
  made += 1
  const from = join(secrets, `${made}-${basename(path)}`)
  writeFileSync(from, content, { mode: 0o600 })
  return { copy: { from, to: { path, mode: '0600' } } }
}

const broker = 'nats-server'

export const madeSetup = defineKind({
  name: 'made-setup',
  summary: 'keys of a broker, made beforehand',
  settings: z.strictObject({ isWhole: z.boolean().default(true), operator: z.enum(operators).default('own') }),
  plan: ({ unit, settings: { isWhole, operator } }) => {
    const folder = setupFolder(unit)
    const resolver = { type: 'full', dir: resolverFolder(broker), allow_delete: false, interval: '2m' }
    const lines = { system_account: system.id, resolver }
    const text = Object.entries(lines).map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`)
    const names = Object.fromEntries(accounts.map(({ name, id }) => [name, id]))
    return {
      summary: 'keys of a broker',
      files: [
        { path: `${folder}/${resolverFile}`, text: `${text.join('')}include "preload.conf"\n` },
        ...(isWhole
          ? [{ path: `${folder}/${setupFile}`, json: { accounts: names, keys: { work: work.signer.getPublicKey() } } }]
          : []),
      ],
      steps: [
        copied(`${folder}/${operatorFile(realm.name)}`, operatorJwts[operator]),
        copied(`${folder}/preload.conf`, `resolver_preload: ${JSON.stringify(jwts)}\n`),
        ...keys.map((key) => copied(keyPath(`${folder}/keys`, key), `${Buffer.from(key.getSeed()).toString()}\n`)),
        ...Object.entries(creds).map(([name, content]) => {
          return copied(`${folder}/${name.startsWith('pusher') ? 'push' : 'out'}/${name}`, content)
        }),
      ],
    }
  },
  offers: {
    'nats-creds': ({ unit }) => ({
      operator: realm.name,
      folder: () => `${setupFolder(unit)}/out`,
      insider: {
        ...{ keys: `${setupFolder(unit)}/keys`, record: `${setupFolder(unit)}/${setupFile}`, revoke: 'revoke' },
        ...{ signer: { account: 'WORK', key: ['keys', 'work'] }, pusher: `${setupFolder(unit)}/push/pusher.creds` },
      },
      users: {
        'WORK/worker': { file: 'worker.creds', permissions: permissions.worker, inbox: '_INBOX.worker' },
        'WORK/reporter': { file: 'reporter.creds', permissions: permissions.reporter },
        'ADMIN/boss': { file: 'boss.creds', permissions: permissions.boss },
      },
    }),
  },
})

const script = new URL('revoke.ts', import.meta.url).pathname

/** Revokes a user: gives the broker another JWT of its account. */
export const madeRevoke = defineKind({
  name: 'made-revoke',
  summary: 'revokes a user',
  settings: z.strictObject({ setup: z.string(), accounts: z.record(z.string(), z.string()).default({}) }),
  plan: (unit: UnitContext<{ setup: string }>) => {
    const folder = unit.credential(`cert-${unit.node}`).path
    const state = setupFolder(unit.settings.setup)
    const config = {
      ...{ url: `tls://${unit.host}:4222`, ca: unit.anchor(unit.domain), resolver: resolverFolder(broker) },
      ...{ cert: `${folder}/cert.pem`, key: `${folder}/key.pem`, creds: `${state}/push/pusher.creds` },
      operator: keyPath(`${state}/keys`, realm.signer),
      accounts: Object.fromEntries(accounts.map(({ name, id }) => [name, id])),
    }
    return {
      summary: 'revokes a user',
      files: [{ path: '@{unit}/revoke.json', json: config }],
      steps: [{ run: { program: { script }, args: ['@{unit}/revoke.json'] } }],
    }
  },
})
