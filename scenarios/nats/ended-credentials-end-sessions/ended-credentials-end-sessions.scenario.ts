import {
  type Credential,
  credentialOf,
  expect,
  inspectCreds,
  inspectJwt,
  type ScenarioSite,
  scenario,
  userOfFile,
} from 'holdfast/vitest'
import { keep, put, run } from '../files.ts'
import { forged } from '../handed.ts'
import { type Manifest, manifestIn, monitoring, places } from '../verification.ts'

const test = scenario('nats-orchestrator', { own: true, set: { callout: 'false' } })
const nowSeconds = () => Math.floor(Date.now() / 1000)
const within = { withinMs: 5_000 }

function current(site: ScenarioSite): Promise<Manifest> {
  return manifestIn(site, 'orchestrator', `${places.installed}/current.json`)
}

async function ask(site: ScenarioSite, unit: string, input: object): Promise<void> {
  expect(await site.node('nats-1').run(unit, { input: JSON.stringify(input) })).toMatchObject({ code: 0 })
}

async function isReady(site: ScenarioSite): Promise<boolean> {
  return (await site.operator('orchestrator').get('/readyz')).status === 200
}

test('a user is put out when it expires', async ({ site, credential }) => {
  // Long enough to be made and used on a busy machine.
  const exp = nowSeconds() + site.bound(6)
  const creds = await userOfFile(await forged(site, { times: { exp } }))
  const brief = credential('creds-orchestrator').with('creds', creds, 'that end soon')
  const { session } = await site.open('orchestrator', 'nats-1', 'nats:connect', brief)

  expect(await site.ended(session, { withinMs: 10_000 })).toMatchObject({ reason: 'User Authentication Expired' })
  const ends = async () => site.decisions('nats-1', { action: 'nats:session', reason: 'nats_jwt_expired' })
  const [end] = await site.until(
    'its end is on record',
    async () => (await ends()).length > 0 && (await ends()),
    within,
  )
  expect(end).toMatchObject({ guard: 'broker.session', layer: 'session', verdict: 'refused' })
  await site.until('the second of its end is over', () => nowSeconds() > exp, within)
  expect(await site.call('orchestrator', 'nats-1', 'nats:connect', brief)).toBeRefused({
    error: 'Authorization Violation',
    guard: 'broker.login',
    reason: 'nats_jwt_expired',
  })
})

test('rotation brings other users without a gap, and ends those before', async ({ site, credential }) => {
  const before = await current(site)
  const { creds: old } = await site.held('creds-orchestrator')
  await ask(site, 'nats-creds-rotate', { overlapSeconds: 0 })

  const isNewer = async () => (await current(site)).generation > before.generation
  await site.until('the newer generation is installed', isNewer, { withinMs: 10_000 })
  await site.until('the orchestrator is ready with it', () => isReady(site), { withinMs: 10_000 })
  const { json } = await site.operator('orchestrator').get('/v1/state')
  expect(json).toMatchObject({ messaging: { work: { generation: before.generation + 1, state: 'connected' } } })
  const stale = credential('creds-orchestrator').with('creds', old!, 'of the generation before')
  expect(await site.call('orchestrator', 'nats-1', 'nats:connect', stale)).toBeRefused({
    error: 'Authorization Violation',
    guard: 'broker.login',
    reason: 'nats_user_revoked',
  })
})

test('a revoked orchestrator is put out, says so, and works again with newer credentials', async ({ site }) => {
  const { generation } = await current(site)
  const tap = await site.tap('nats-1')
  await ask(site, 'nats-user-revoke', { users: ['orchestrator_user'] })

  const revoked = async () => {
    const { status, json } = await site.operator('orchestrator').get('/readyz')
    return status === 503 && (json as { reason: string }).reason === 'credentials_revoked'
  }
  await site.until('the orchestrator says that it was revoked', revoked, within)
  const ends = await tap.decisions({ action: 'nats:session', reason: 'nats_user_revoked' })
  expect(ends[0]).toMatchObject({ guard: 'broker.session', principal: { name: 'orchestrator_user' } })

  await ask(site, 'nats-creds-rotate', { overlapSeconds: 0 })
  await site.until('it is ready again', () => isReady(site), { withinMs: 20_000 })
  expect((await current(site)).generation).toBe(generation + 1)
  expect(credentialOf(site.plan, 'nats-creds', 'creds-orchestrator').users).toHaveLength(2)
})

test('whoever was revoked, and everybody of an account at once, is put out and stays out when the broker begins anew, with older claims or with none', async ({
  site,
  credential,
}) => {
  const broker = site.node('nats-1')
  const login = (one: Credential) => site.call('orchestrator', 'nats-1', 'nats:connect', one)
  const [right, admin] = [credential('creds-orchestrator'), credential('creds-admin')]
  const made = async (text: string) => right.with('creds', await userOfFile(text), 'of another key')
  const [work, control] = [await claimsOf(site, 'WORKLOAD'), await claimsOf(site, 'ADMIN')]
  await site.until('newer claims are of another second', () => nowSeconds() > work.issuedAt, within)

  const kept = await site.open('orchestrator', 'nats-1', 'nats:connect', admin)
  await demandPutOut(site, right, { account: 'WORKLOAD', key: '*' })
  const since = nowSeconds()
  await site.until('what is made now is newer', () => nowSeconds() > since, within)
  const text = await forged(site, {})
  const [other, later] = [await made(text), await made(await forged(site, {}))]
  for (const one of [other, later]) expect(await login(one)).toBeAccepted()
  await demandPutOut(site, other, { account: 'WORKLOAD', key: (await inspectCreds(text)).subject })
  expect(await Promise.race([kept.session.ended, 'still there'])).toBe('still there')
  const demandLogins = async () => {
    for (const one of [later, admin]) expect(await login(one)).toBeAccepted()
    for (const one of [right, other]) expect(await login(one)).toBeRefused(refused('nats_user_revoked'))
  }
  await demandLogins()

  await broker.stop('nats-server')
  const undo = await keep(site, 'nats-1', resolver)
  // Of ADMIN there is nothing else, so that its users tell whether such claims count at all.
  await preload(site, work, control)
  await run(site, 'nats-1', 'rm', control.path)
  const push = await startBeforePush(site)
  await demandLogins()
  await push()

  await broker.stop('nats-server')
  await undo()
  await run(site, 'nats-1', 'find', places.resolver, '-type', 'f', '-delete')
  const pushAll = await startBeforePush(site)
  for (const one of [right, admin, other, later]) expect(await login(one)).toBeRefused(refused('nats_account_unknown'))
  await pushAll()
  await demandLogins()
})

const refused = (reason: string) => ({ error: 'Authorization Violation', guard: 'broker.login', reason })

/** Whoever is connected with it when it is revoked is put out, for that. */
async function demandPutOut(site: ScenarioSite, credential: Credential, revocation: object): Promise<void> {
  const { verdict, session } = await site.open('orchestrator', 'nats-1', 'nats:connect', credential)
  expect(verdict).toBeAccepted()
  await ask(site, 'nats-user-revoke', revocation)
  expect(await site.ended(session, within)).toMatchObject({ reason: 'User Authentication Revoked' })
}

const resolver = `${places.state}/main-resolver.conf`

interface Claims {
  readonly key: string
  readonly path: string
  readonly jwt: string
  readonly issuedAt: number
}

/** Of an account, as the broker keeps them. */
async function claimsOf(site: ScenarioSite, account: 'WORKLOAD' | 'ADMIN'): Promise<Claims> {
  const broker = site.node('nats-1')
  const { accounts } = JSON.parse(await broker.readFile(`${places.state}/setup.json`)) as Accounts
  const path = `${places.resolver}/${accounts[account]}.jwt`
  const jwt = (await broker.readFile(path)).trim()
  return { key: accounts[account]!, path, jwt, issuedAt: inspectJwt(jwt).issued }
}

interface Accounts {
  accounts: Record<string, string>
}

/** Has the broker begin with these claims, too. */
async function preload(site: ScenarioSite, ...claims: readonly Claims[]): Promise<void> {
  const text = await site.node('nats-1').readFile(resolver)
  const lines = claims.map(({ key, jwt }) => `\n${key}: ${jwt},`)
  const more = text.replace(/resolver_preload: \{/, (head) => head + lines.join(''))
  expect(more).not.toBe(text)
  await put(site, 'nats-1', resolver, more)
}

/** Starts the broker, and keeps the push that follows from the claims that it brings: what is answered lets it go, and waits for its end. */
async function startBeforePush(site: ScenarioSite): Promise<() => Promise<void>> {
  const broker = site.node('nats-1')
  const [locked, gate] = ['locked', 'gate'].map((name) => `kept/${name}-${crypto.randomUUID()}`) as [string, string]
  await run(site, 'nats-1', 'mkdir', '-p', 'kept')
  await run(site, 'nats-1', 'mkfifo', gate)
  const holder = broker.exec(['node', '-e', holdStore, `${places.state}/lock.sqlite`, locked, gate])
  await site.until('the store is taken', async () => (await broker.exec(['ls', locked])).code === 0, within)
  const started = broker.start('nats-server')
  const isUp = async () => (await monitoring<{ status: string }>(site, '/healthz?js-enabled-only=true')).status === 'ok'
  await site.until('the broker is up', isUp, { withinMs: 15_000 })
  return async () => {
    await run(site, 'nats-1', 'sh', '-c', 'echo > "$0"', gate)
    expect(await holder).toMatchObject({ code: 0 })
    await started
    await broker.waitForUnit('nats-accounts-push')
  }
}

/** Works on the store until somebody writes into the last of its arguments. */
const holdStore = `
  const [, store, locked, gate] = process.argv
  const { readFileSync, writeFileSync } = require('node:fs')
  const { DatabaseSync } = require('node:sqlite')
  new DatabaseSync(store).exec('BEGIN EXCLUSIVE')
  writeFileSync(locked, '')
  readFileSync(gate)`
