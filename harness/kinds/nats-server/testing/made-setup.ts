import { type Account, fmtCreds, fromSeed, type KeyPair } from '@nats-io/jwt'
import { z } from 'zod'
import { Realm, type RealmAccount } from '../../../protocols/nats/testing/realm.ts'
import { defineKind, type UnitContext } from '../../../topology/kind.ts'
import type { PlanFile } from '../../../topology/plan.ts'
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

const keys = [realm.signer, ...accounts.flatMap(({ key, signers }) => [key, ...signers.values()])]

function keyFile(folder: string, key: KeyPair): PlanFile {
  const [, sort, two, rest] = /^(.)(..)(.*)$/.exec(key.getPublicKey())!
  return {
    path: `${folder}/${sort}/${two}/${sort}${two}${rest}.nk`,
    text: `${Buffer.from(key.getSeed()).toString()}\n`,
  }
}

const broker = 'nats-server'

export const madeSetup = defineKind({
  name: 'made-setup',
  summary: 'keys of a broker, made beforehand',
  settings: z.strictObject({ isWhole: z.boolean().default(true), operator: z.enum(operators).default('own') }),
  plan: ({ unit, settings: { isWhole, operator } }) => {
    const folder = setupFolder(unit)
    const resolver = { type: 'full', dir: resolverFolder(broker), allow_delete: false, interval: '2m' }
    const lines = { system_account: system.id, resolver, resolver_preload: jwts }
    const text = Object.entries(lines).map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`)
    const names = Object.fromEntries(accounts.map(({ name, id }) => [name, id]))
    return {
      summary: 'keys of a broker',
      files: [
        { path: `${folder}/${operatorFile(realm.name)}`, text: operatorJwts[operator] },
        { path: `${folder}/${resolverFile}`, text: text.join('') },
        ...(isWhole ? [{ path: `${folder}/${setupFile}`, json: { accounts: names } }] : []),
        ...keys.map((key) => keyFile(`${folder}/keys`, key)),
        ...Object.entries(creds).map(([name, content]) => {
          return { path: `${folder}/${name.startsWith('pusher') ? 'push' : 'out'}/${name}`, text: content }
        }),
      ],
    }
  },
  offers: {
    'nats-creds': ({ unit }) => ({
      operator: realm.name,
      folder: () => `${setupFolder(unit)}/out`,
      insider: { keys: `${setupFolder(unit)}/keys`, record: `${setupFolder(unit)}/${setupFile}`, revoke: 'revoke' },
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
      operator: keyFile(`${state}/keys`, realm.signer).path,
      accounts: Object.fromEntries(accounts.map(({ name, id }) => [name, id])),
    }
    return {
      summary: 'revokes a user',
      files: [{ path: '@{unit}/revoke.json', json: config }],
      steps: [{ run: { program: { script }, args: ['@{unit}/revoke.json'] } }],
    }
  },
})
