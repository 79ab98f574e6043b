import '../shared/testing/loopback-names.ts'
import { chmodSync, copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { ROLES } from '../shared/nats/roles.ts'
import { recordsIn } from '../shared/nats/testing/broker.ts'
import {
  type AgentConfiguration,
  type CalloutSite,
  calloutSite,
  readiness,
} from '../shared/nats/testing/callout-site.ts'
import { spawnService, startService, type TestService, until } from '../shared/testing/service-process.ts'

// Real agents, let in by a real callout at a real broker: each command once, in order, whatever happens in between.

vi.setConfig({ testTimeout: 120_000 })

let site: CalloutSite
let callout: TestService
let admin: NatsConnection
const told: { subject: string; content: Record<string, unknown> }[] = []

beforeAll(async () => {
  site = await calloutSite()
  const configuration = await site.callout()
  callout = await startService('auth-callout', site.broker.folder, configuration)
  await site.stream(['host-1', 'host-2'])
  admin = await site.broker.login(
    await site.broker.operator.user('admin_user'),
    await site.broker.identity('orchestrator.somebiz.local.io'),
    '_INBOX.admin',
  )
  for (const subject of ['WORKLOAD.*.status', 'INVENTORY.>']) {
    admin.subscribe(subject, {
      callback: (_, message) => void told.push({ subject: message.subject, content: message.json() }),
    })
  }
}, 300_000)
afterAll(async () => {
  await admin.close()
  await callout[Symbol.asyncDispose]()
  await site[Symbol.asyncDispose]()
})

async function agent(host: string, given?: AgentConfiguration) {
  const configuration = given ?? (await site.agent(host))
  const { identity: _, ...json } = configuration
  const service = await startService('host-agent', site.broker.folder, json)
  const ready = () => readiness(site, configuration.listen.local, `${host}.somebiz.local.io`)
  return { ...service, configuration, ready, host }
}

const both = ['applied', 'recent'].map((table) => `SELECT id, seq, applied_at FROM ${table}`).join(' UNION ALL ')

/** Ids in the order in which they were applied. */
function appliedAt({ storage }: AgentConfiguration): string[] {
  const database = new DatabaseSync(storage.path, { readOnly: true })
  const rows = database.prepare(`SELECT id FROM (${both}) ORDER BY applied_at, seq`).all()
  database.close()
  return rows.map(({ id }) => String(id))
}

function timesApplied({ storage }: AgentConfiguration): number {
  const database = new DatabaseSync(storage.path, { readOnly: true })
  const row = database.prepare('SELECT sum(times) AS times FROM effects').get()
  database.close()
  return Number(row?.times ?? 0)
}

/** Has an agent change over to a new connection, and waits until it is up. */
async function renew({ tokenFile, decisionLog }: AgentConfiguration): Promise<void> {
  const accepted = () => recordsIn(decisionLog).filter(({ verdict }) => verdict === 'accepted').length
  const before = accepted()
  const next = `${tokenFile}.next`
  copyFileSync(tokenFile, next)
  renameSync(next, tokenFile)
  await until(() => accepted() > before, 'the next connection')
}

const statuses = (host: string) => told.filter(({ subject }) => subject === `WORKLOAD.${host}.status`)
const ids = (prefix: string, count: number) => Array.from({ length: count }, (_, at) => `${prefix}-${at + 1}`)

test('a command is applied, acknowledged and told; what came while the agent was away comes in order', async () => {
  const configuration = await site.agent('host-1')
  {
    await using running = await agent('host-1', configuration)
    await until(async () => (await running.ready()) === 'ready', 'the agent')
    await site.command('host-1', 'first')
    await until(() => statuses('host-1').length === 1, 'its status')
    expect(statuses('host-1')[0]?.content).toMatchObject({ id: 'first', state: 'applied', seq: expect.any(Number) })
  }
  await site.command('host-1', ...ids('missed', 50))
  // The same id once more, past the broker's own memory of it.
  await site.command('host-1', 'missed-50', 'first')

  await using again = await agent('host-1', configuration)
  await until(() => appliedAt(configuration).length === 51, 'all of them')
  await until(() => told.some(({ content }) => content.applied === 51), 'the inventory')

  expect(appliedAt(configuration)).toEqual(['first', ...ids('missed', 50)])
  expect(timesApplied(configuration)).toBe(51)
  expect(statuses('host-1').map(({ content }) => content.id)).toEqual(['first', ...ids('missed', 50)])
  expect(told.filter(({ subject }) => subject.startsWith('INVENTORY.host-1.')).at(-1)?.content).toMatchObject({
    applied: 51,
    verbs: { apply: 51 },
  })
  expect(await again.ready()).toBe('ready')
})

test('an agent that is killed again and again applies each command once, in order', async () => {
  const configuration = await site.agent('host-2')
  await site.command('host-2', ...ids('killed', 400))
  for (let applied = 0; applied < 300; applied = appliedAt(configuration).length) {
    const running = await agent('host-2', configuration)
    const target = applied + 60
    await until(() => appliedAt(configuration).length >= target, 'some of them', 30_000, 20)
    running.process.kill('SIGKILL')
    await running.exited
  }

  await using running = await agent('host-2', configuration)
  await until(() => appliedAt(configuration).length === 400, 'the rest', 60_000)

  expect(appliedAt(configuration)).toEqual(ids('killed', 400))
  expect(timesApplied(configuration)).toBe(400)
  await until(async () => (await running.ready()) === 'ready', 'it to be ready')
})

test('of the commands that come while it changes over, again and again, none waits until the broker sends it anew', async () => {
  const configuration = await site.agent('host-1')
  await site.waitsForAcknowledgement('host-1', 120_000)
  await using running = await agent('host-1', configuration)
  await until(async () => (await running.ready()) === 'ready', 'the agent')
  let isOver = false
  const given: string[] = []
  const give = async (abreast: number) => {
    for (let at = 1; !isOver; at += 1) {
      const id = `changing-${abreast}-${at}`
      await site.command('host-1', id)
      given.push(id)
    }
  }
  const giving = [1, 2].map(give)

  for (let times = 1; times <= 20; times += 1) await renew(configuration)
  isOver = true
  await Promise.all(giving)

  await until(() => given.every((id) => appliedAt(configuration).includes(id)), 'all of them', 20_000)
  expect(timesApplied(configuration)).toBe(given.length)
  await site.waitsForAcknowledgement('host-1', 2_000)
})

test('without a good token it waits, and a new one is tried at once', async () => {
  const configuration = await site.agent('host-1', { retry: { initialMs: 60_000, maximumMs: 60_000 } })
  const good = readFileSync(configuration.tokenFile, 'utf8')
  const bad = await site.token('host-1', configuration.identity, { scope: 'node:read' })
  const put = (text: string, mode = 0o600): void => {
    writeFileSync(`${configuration.tokenFile}.next`, text)
    chmodSync(`${configuration.tokenFile}.next`, mode)
    renameSync(`${configuration.tokenFile}.next`, configuration.tokenFile)
  }
  rmSync(configuration.tokenFile)
  await using running = await agent('host-1', configuration)
  await until(async () => (await running.ready()) === 'token_missing', 'it to miss its token')
  put(good, 0o644)
  await until(async () => (await running.ready()) === 'token_open', 'it to see an open token')
  put(bad)
  await until(async () => (await running.ready()) === 'login_refused', 'it to be refused')
  put(good)

  await until(async () => (await running.ready()) === 'ready', 'it to be let in')
  expect(running.stderr() + readFileSync(configuration.decisionLog, 'utf8')).not.toMatch(/eyJ|S[UAO][A-Z2-7]{56}/)
})

test('a host that no commands are kept for says so, and goes on when they are', async () => {
  const configuration = await site.agent('host-1')
  const hosts = { 'host-3': { host: 'host-3.somebiz.local.io' } }
  const own = await site.callout({ hosts, recheckMs: 60_000 })
  await using _other = await startService('auth-callout', site.broker.folder, own)
  // Both callouts are in one queue group: this one knows the host, so that it is tried until that one is asked.
  const third = await site.agent('host-3')
  await using running = await agent('host-3', third)
  await until(async () => (await running.ready()) === 'consumer_missing', 'it to miss its commands', 30_000)

  await site.stream(['host-3'])

  await until(async () => (await running.ready()) === 'ready', 'it to be ready', 30_000)
  expect(recordsIn(third.decisionLog).at(-1)).toMatchObject({ action: 'host:connect', verdict: 'accepted' })
  expect(configuration.storage.path).not.toBe(third.storage.path)
})

test('with a role that was widened it applies nothing, and goes on when that is put right', async () => {
  const { operator } = site.broker
  const role = 'host_role'
  const key = operator.accounts.WORKLOAD.roles.get(role)?.getPublicKey() ?? ''
  const { publish, subscribe } = ROLES[role]
  const pub = { allow: [...publish, 'WORKLOAD.>'] }
  const template = { pub, sub: { allow: [...subscribe] }, subs: -1, data: -1, payload: -1 }
  await site.broker.push(
    await operator.account('WORKLOAD', { signing_keys: [{ kind: 'user_scope', key, role, template }] }),
  )
  const configuration = await site.agent('host-1')
  await using running = await agent('host-1', configuration)
  await until(async () => (await running.ready()) === 'permissions_unexpected', 'it to notice its role')

  await site.broker.push(await operator.account('WORKLOAD'))

  await until(async () => (await running.ready()) === 'ready', 'it to be ready')
  const records = recordsIn(configuration.decisionLog)
  expect(records[0]).toMatchObject({ guard: 'broker.self', reason: 'permissions_unexpected', layer: 'broker' })
  expect(records.at(-1)).toMatchObject({ action: 'host:connect', verdict: 'accepted' })
})

test.each<[string, (configuration: AgentConfiguration) => object, RegExp]>([
  ['plaintext', ({ server }) => ({ server: String(server).replace('tls:', 'nats:') }), /endpoint_plaintext: server/],
  ['no credentials', () => ({ credsDir: '/nowhere' }), /folder_owner_invalid: \/nowhere/],
  ['open credentials', ({ credsDir }) => ({ credsDir: opened(credsDir) }), /folder_mode_invalid: /],
  [
    'a key of its certificate that others can read',
    ({ tls }) => ({ tls: withOpenKey(tls as OwnFiles) }),
    /open\.key .*0600/,
  ],
  ['a name that is no token of a subject', () => ({ node: 'host.1' }), /config_invalid: .*node: must be/],
])('with %s it does not start', async (_, change, expected) => {
  const { identity: _identity, ...configuration } = await site.agent('host-1')
  const changed = change(configuration as AgentConfiguration)

  const { exited, stderr } = spawnService('host-agent', site.broker.folder, { ...configuration, ...changed })

  expect(await exited).toBe(78)
  expect(stderr().trimEnd().split('\n')).toHaveLength(1)
  expect(stderr()).toMatch(expected)
})

interface OwnFiles {
  readonly cert: string
  readonly key: string
  readonly ca: string
}

function withOpenKey(own: OwnFiles): OwnFiles {
  const key = join(site.broker.folder, 'open.key')
  copyFileSync(own.key, key)
  chmodSync(key, 0o604)
  return { ...own, key }
}

function opened(folder: string): string {
  chmodSync(folder, 0o755)
  return folder
}
