import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { type CredentialFixture, expect, inspectCreds, inspectJwt, type ScenarioSite } from 'holdfast/vitest'

// The verification steps T1 to T8, each a check that fails by name.

/** Where things lie on their nodes. */
export const places = {
  /** What nsc made, on the broker's host. */
  state: 'units/nats-auth-setup/state',
  shared: 'units/nats-auth-setup/state/shared-creds',
  resolver: 'units/nats-server/jwt',
  /** What is handed over: where it is laid, and where it arrives. */
  laid: 'units/shared-creds-copy/handover/creds-orchestrator',
  arrived: 'credentials/creds-orchestrator',
  installed: 'units/creds-intake/nats-creds',
  configuration: 'units/orchestrator/config.json',
} as const

export const handedOver = ['admin_user.creds', 'orchestrator_auth.creds']
const made = [...handedOver, 'auth_guard.creds'].map((name) => `shared-creds/${name}`)
const outputs = ['HOLO.jwt', 'SYS.jwt', 'main-resolver.conf', ...made]

interface Entry {
  readonly name: string
  readonly mode: string
  readonly uid: number
  readonly size: number
  readonly sha256: string
}

/** Runs on the node: facts of a folder and of the files in it, none of whose content leaves the node. */
const look = `
  const { lstatSync, readdirSync, readFileSync, statSync } = require('node:fs')
  const { createHash } = require('node:crypto')
  const [folder, ...names] = process.argv.slice(1)
  const own = statSync(folder)
  const all = (names.length > 0 ? names : readdirSync(folder).sort()).map((name) => {
    const { mode, uid, size } = lstatSync(folder + '/' + name)
    const sha256 = createHash('sha256').update(readFileSync(folder + '/' + name)).digest('hex')
    return { name, mode: (mode & 0o7777).toString(8), uid, size, sha256 }
  })
  console.log(JSON.stringify({ mode: (own.mode & 0o7777).toString(8), uid: own.uid, me: process.getuid(), files: all }))`

interface Folder {
  readonly mode: string
  readonly uid: number
  readonly me: number
  readonly files: readonly Entry[]
}

export async function folderOf(site: ScenarioSite, node: string, path: string, names: readonly string[] = []) {
  const { code, stdout, stderr } = await site.node(node).exec(['node', '-e', look, path, ...names])
  if (code !== 0) throw new Error(`${node}: ${path}: ${/Error: (.*)/.exec(stderr)?.[1] ?? stderr}`)
  return JSON.parse(stdout) as Folder
}

interface ManifestFile {
  readonly name: string
  readonly sha256: string
  readonly user: { readonly name: string; readonly key: string; readonly account: string; readonly role: string }
}

export interface Manifest {
  readonly generation: number
  readonly operator: string
  readonly files: readonly ManifestFile[]
}

export async function manifestIn(site: ScenarioSite, node: string, path: string): Promise<Manifest> {
  return JSON.parse(await site.node(node).readFile(path)) as Manifest
}

/** The monitoring of the broker, as it is seen on its host. */
export async function monitoring<Answer>(site: ScenarioSite, path: string): Promise<Answer> {
  const broker = site.node('nats-1')
  const { stdout, stderr } = await broker.exec([
    'curl',
    '--silent',
    '--show-error',
    `http://${broker.address}:8222${path}`,
  ])
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout) as Answer
}

/** Gathers what does not hold. */
class Checks {
  readonly problems: string[] = []
  made = 0

  is<T>(what: string, found: T, expected: T): void {
    this.made += 1
    if (JSON.stringify(found) === JSON.stringify(expected)) return
    this.problems.push(`${what} is ${JSON.stringify(found)}, and must be ${JSON.stringify(expected)}`)
  }

  holds(what: string, isSo: boolean): void {
    this.made += 1
    if (!isSo) this.problems.push(what)
  }

  /** A secret: there, ours, and readable by nobody else. */
  secret(place: string, { mode, uid, size }: Entry, me: number): void {
    this.is(`mode of ${place}`, mode, '600')
    this.is(`owner of ${place}`, uid, me)
    this.holds(`${place} is empty`, size > 0)
  }

  folder(place: string, { mode, uid, me }: Folder): void {
    this.is(`mode of ${place}`, mode, '700')
    this.is(`owner of ${place}`, uid, me)
  }
}

interface Verified {
  readonly site: ScenarioSite
  readonly credential: CredentialFixture
}

interface Step {
  readonly name: string
  /** What it stands on: where one of these is red, it is not judged. */
  readonly on: readonly string[]
  check(checks: Checks, verified: Verified): Promise<void>
}

export const steps: readonly Step[] = [
  { name: 'T1 broker status', on: [], check: brokerStatus },
  { name: 'T2 credentials on the host of the broker', on: [], check: madeCredentials },
  { name: 'T3 hand-over folder, from both hosts', on: [], check: handOver },
  { name: 'T4 credentials of the orchestrator', on: [], check: installedCredentials },
  { name: 'T5 configuration of the orchestrator', on: ['T4'], check: configuration },
  { name: 'T6 orchestrator status', on: ['T1', 'T5'], check: orchestratorStatus },
  { name: 'T7 content of the credentials', on: ['T1', 'T2', 'T4'], check: content },
  { name: 'T8 success', on: ['T6'], check: success },
]

export interface Verification {
  /** Steps that are red, by name, each with what does not hold. */
  readonly red: Readonly<Record<string, readonly string[]>>
  /** Only where all is green: how many checks were made. */
  readonly marker?: string
}

/** All steps, in order. A step whose ground is red says nothing of its own. */
export async function verify(site: ScenarioSite, credential: CredentialFixture): Promise<Verification> {
  const verified: Verified = { site, credential }
  const red = new Map<string, readonly string[]>()
  const unjudged = new Set<string>()
  const made: string[] = []
  for (const { name, on, check } of steps) {
    const short = name.slice(0, 2)
    const isGroundless = on.some(
      (ground) => unjudged.has(ground) || [...red.keys()].some((one) => one.startsWith(ground)),
    )
    if (isGroundless) {
      unjudged.add(short)
      continue
    }
    const checks = new Checks()
    await check(checks, verified).catch((failure: Error) => checks.problems.push(failure.message))
    made.push(`${short} ${checks.made}`)
    if (checks.problems.length > 0) red.set(name, checks.problems)
  }
  return {
    red: Object.fromEntries(red),
    ...(red.size === 0 && { marker: `verified by checks: ${made.join(', ')}` }),
  }
}

async function brokerStatus(checks: Checks, { site }: Verified): Promise<void> {
  checks.is('what nats-server did last', lastOf(site, 'nats-1', 'nats-server'), 'unit-ready')
  checks.is('/healthz', await monitoring(site, '/healthz?js-enabled-only=true'), { status: 'ok' })
  const { trusted_operators_jwt } = await monitoring<{ trusted_operators_jwt: string[] }>(site, '/varz')
  const operator = await site.node('nats-1').readFile(`${places.state}/HOLO.jwt`)
  checks.is(
    'digest of the operator in /varz',
    trusted_operators_jwt.map((jwt) => digestOf(jwt.trim())),
    [digestOf(operator.trim())],
  )
}

async function madeCredentials(checks: Checks, { site }: Verified): Promise<void> {
  const state = await folderOf(site, 'nats-1', places.state, outputs)
  checks.folder('state of nsc', state)
  for (const file of state.files) checks.secret(file.name, file, state.me)
  checks.folder('shared-creds', await folderOf(site, 'nats-1', places.shared))
}

async function handOver(checks: Checks, { site }: Verified): Promise<void> {
  const [laid, arrived] = [
    await folderOf(site, 'nats-1', places.laid),
    await folderOf(site, 'orchestrator', places.arrived),
  ]
  const manifest = await manifestIn(site, 'nats-1', `${places.laid}/manifest.json`)
  const digests = Object.fromEntries(manifest.files.map(({ name, sha256 }) => [name, sha256]))
  for (const [host, folder] of Object.entries({ 'nats-1': laid, orchestrator: arrived })) {
    checks.folder(`hand-over at ${host}`, folder)
    checks.is(
      `files at ${host}`,
      folder.files.map(({ name }) => name),
      [...handedOver, 'manifest.json'].sort(),
    )
    for (const file of folder.files) checks.secret(`${host}: ${file.name}`, file, folder.me)
    for (const { name, sha256 } of folder.files) {
      if (digests[name] !== undefined) checks.is(`digest of ${name} at ${host}`, sha256, digests[name])
    }
  }
  checks.is(
    'digests of both hosts',
    arrived.files.map(({ sha256 }) => sha256),
    laid.files.map(({ sha256 }) => sha256),
  )
}

async function installedCredentials(checks: Checks, { site }: Verified): Promise<void> {
  const installed = await folderOf(site, 'orchestrator', places.installed)
  const manifest = await manifestIn(site, 'orchestrator', `${places.installed}/current.json`)
  const handed = await manifestIn(site, 'orchestrator', `${places.arrived}/manifest.json`)
  checks.folder('installed credentials', installed)
  checks.is('generation', manifest.generation, handed.generation)
  checks.is(
    'installed files',
    installed.files.map(({ name }) => name),
    [...handedOver, 'current.json'].sort(),
  )
  for (const file of installed.files) checks.secret(file.name, file, installed.me)
  for (const { name, sha256 } of handed.files) {
    checks.is(`digest of ${name}`, installed.files.find((file) => file.name === name)?.sha256, sha256)
  }
}

const main = fileURLToPath(new URL('../../services/orchestrator/main.ts', import.meta.url))

async function configuration(checks: Checks, { site }: Verified): Promise<void> {
  const node = site.node('orchestrator')
  const folder = await folderOf(site, 'orchestrator', 'units/orchestrator', ['config.json'])
  for (const file of folder.files) checks.secret(file.name, file, folder.me)
  const { messaging } = JSON.parse(await node.readFile(places.configuration)) as { messaging: { mongo: object } }
  for (const path of Object.values(messaging.mongo) as string[]) {
    const name = path.slice(path.lastIndexOf('/') + 1)
    const { files, me } = await folderOf(site, 'orchestrator', path.slice(0, -name.length), [name])
    for (const file of files) checks.secret(name, file, me)
  }
  const checked = ['node', '--conditions=holdfast-source', main, '--config', places.configuration, '--check-config']
  const { code, stderr } = await node.exec(checked)
  checks.holds(`the configuration is refused: ${stderr}`, code === 0)
}

interface Connection {
  readonly ip: string
  readonly authorized_user?: string
}

async function orchestratorStatus(checks: Checks, { site }: Verified): Promise<void> {
  checks.is('what orchestrator did last', lastOf(site, 'orchestrator', 'orchestrator'), 'unit-ready')
  checks.is('/readyz', (await site.operator('orchestrator').get('/readyz')).status, 200)
  const { connections } = await monitoring<{ connections: Connection[] }>(site, '/connz?auth=1')
  const { files } = await manifestIn(site, 'orchestrator', `${places.installed}/current.json`)
  const own = connections.filter(({ ip }) => ip === site.node('orchestrator').address)
  const users = own.map(({ authorized_user }) => authorized_user).sort()
  checks.is('users that are connected from there', users, files.map(({ user }) => user.key).sort())
}

async function content(checks: Checks, { site, credential }: Verified): Promise<void> {
  const broker = site.node('nats-1')
  const read = async (path: string) => inspectJwt(await broker.readFile(`${places.state}/${path}`))
  const [operator, system] = [await read('HOLO.jwt'), await read('SYS.jwt')]
  checks.is('HOLO', [operator.type, operator.name, operator.issuer], ['operator', 'HOLO', operator.subject])
  const ofOperator = [operator.subject, ...operator.signingKeys]
  const { stdout } = await broker.exec(['ls', places.resolver])
  const names = stdout.split('\n').filter((name) => name.endsWith('.jwt'))
  const accounts = await Promise.all(
    names.map(async (name) => inspectJwt(await broker.readFile(`${places.resolver}/${name}`))),
  )
  checks.is('names of accounts', accounts.map(({ name }) => name).sort(), ['ADMIN', 'AUTH', 'SYS', 'WORKLOAD'])
  for (const { name, type, issuer } of [system, ...accounts]) {
    checks.is(`type of ${name}`, type, 'account')
    checks.holds(`${name} is of no key of HOLO`, ofOperator.includes(issuer))
  }
  for (const [node, folder] of [
    ['nats-1', places.shared],
    ['orchestrator', places.installed],
  ] as const) {
    for (const name of handedOver) {
      const place = `${node}: ${name}`
      const user = await inspectCreds(await site.node(node).readFile(`${folder}/${name}`)).catch(
        (failure: Error) => failure,
      )
      if (user instanceof Error) checks.holds(`${place}: ${user.message}`, false)
      else {
        const account = accounts.find(({ subject }) => subject === user.account)
        checks.is(`type of ${place}`, user.type, 'user')
        checks.holds(`${place} is not of the key of a role`, account?.signingKeys.includes(user.issuer) === true)
        checks.holds(`${place} has permissions of its own`, user.isScoped)
        checks.holds(`${place} has expired`, (user.expires ?? 0) > Date.now() / 1000)
      }
    }
  }
  for (const name of ['creds-orchestrator', 'creds-admin']) {
    expect(await site.call('orchestrator', 'nats-1', 'nats:connect', credential(name))).toBeAccepted()
    checks.holds(name, true)
  }
}

async function success(checks: Checks, { site }: Verified): Promise<void> {
  const operator = site.operator('orchestrator')
  const lastSeq = async () => {
    const { json } = await operator.get('/v1/state')
    return (json as { messaging: { stream: { lastSeq: number } } }).messaging.stream.lastSeq
  }
  const before = await lastSeq()
  const command = { id: crypto.randomUUID(), host: 'host-1', verb: 'verify', args: {} }
  const { status, json } = await operator.post('/v1/commands', command)
  checks.is('answer to a command', status, 202)
  checks.is('its place', (json as { seq?: number }).seq, before + 1)
  checks.is('last sequence of the stream', await lastSeq(), before + 1)
}

/** What became of a unit last. */
function lastOf(site: ScenarioSite, node: string, unit: string): string | undefined {
  const events = site.site.events().filter((event) => event.node === node && event.event !== 'log')
  return events.findLast((event) => 'unit' in event && event.unit === unit)?.event
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
