import { createHash } from 'node:crypto'
import { basename, dirname, relative } from 'node:path'
import { serviceMain } from '../../agent/command.ts'
import { inspectCreds, inspectJwt } from '../../credentials/nats-creds/inspect.ts'
import { acceptanceProblems } from '../../site/judge.ts'
import { markJudged } from '../../site/judging.ts'
import type { ScenarioSite } from '../../site/scenario-site.ts'
import { type Checks, type Running, runningOn, type Step } from '../verification.ts'
import { type Folder, folderOf, handedOver, manifestIn, monitoring, places } from './facts.ts'

// The verification steps T1 to T8, each a check that fails by name.

const made = [...handedOver, 'auth_guard.creds'].map((name) => `shared-creds/${name}`)
const outputs = ['HOLO.jwt', 'SYS.jwt', 'main-resolver.conf', ...made]
/** A host is asked for the status of a command for so long. */
const STATUS_WITHIN_MS = 5_000

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

/** Secrets: there, of whom they must be, and readable by nobody else. */
function demandSecrets(
  checks: Checks,
  { files, must }: Folder,
  names: readonly string[],
  placeOf = (name: string) => name,
): void {
  for (const name of names) {
    const [place, file] = [placeOf(name), files.find((one) => one.name === name)]
    checks.holds(`${place} is missing`, file !== undefined)
    if (file === undefined) continue
    checks.is(`mode of ${place}`, file.mode, must.fileMode)
    checks.is(`owner of ${place}`, file.uid, must.uid)
    checks.holds(`${place} is empty`, file.size > 0)
  }
}

function demandFolder(checks: Checks, place: string, { mode, uid, must }: Folder): void {
  checks.is(`mode of ${place}`, mode, must.mode)
  checks.is(`owner of ${place}`, uid, must.uid)
}

function namesOf({ files }: Folder): string[] {
  return files.map(({ name }) => name)
}

/** It runs, and was not started again. */
function demandRunning(checks: Checks, site: ScenarioSite, before: Running, [node, unit]: [string, string]): void {
  checks.is(`what ${unit} did last`, lastOf(site, node, unit), 'unit-ready')
  const of = `${node}/${unit}`
  checks.is(`process of ${unit}, which was there before`, runningOn(site).get(of), before.get(of))
}

async function brokerStatus(checks: Checks, site: ScenarioSite, before: Running): Promise<void> {
  demandRunning(checks, site, before, ['nats-1', 'nats-server'])
  checks.is('/healthz', await monitoring(site, '/healthz?js-enabled-only=true'), { status: 'ok' })
  const { trusted_operators_jwt } = await monitoring<{ trusted_operators_jwt: string[] }>(site, '/varz')
  const operator = await site.node('nats-1').readFile(`${places.state}/HOLO.jwt`)
  checks.is(
    'digest of the operator in /varz',
    trusted_operators_jwt.map((jwt) => digestOf(jwt.trim())),
    [digestOf(operator.trim())],
    (all) => all.map(brief),
  )
}

async function madeCredentials(checks: Checks, site: ScenarioSite): Promise<void> {
  const state = await folderOf(site, 'nats-1', places.state, outputs)
  demandFolder(checks, 'state of nsc', state)
  demandSecrets(checks, state, outputs)
  demandFolder(checks, 'shared-creds', await folderOf(site, 'nats-1', places.shared))
}

async function handOver(checks: Checks, site: ScenarioSite): Promise<void> {
  const [laid, arrived] = [
    await folderOf(site, 'nats-1', places.laid),
    await folderOf(site, 'orchestrator', places.arrived),
  ]
  const manifest = await manifestIn(site, 'nats-1', `${places.laid}/manifest.json`)
  const digests = Object.fromEntries(manifest.files.map(({ name, sha256 }) => [name, sha256]))
  for (const [host, folder] of Object.entries({ 'nats-1': laid, orchestrator: arrived })) {
    demandFolder(checks, `hand-over at ${host}`, folder)
    checks.is(`files at ${host}`, namesOf(folder), [...handedOver, 'manifest.json'].sort())
    demandSecrets(checks, folder, namesOf(folder), (name) => `${host}: ${name}`)
    for (const { name, sha256 } of folder.files) {
      if (digests[name] !== undefined) checks.is(`digest of ${name} at ${host}`, sha256, digests[name], brief)
    }
  }
  checks.is(
    'digests of both hosts',
    arrived.files.map(({ sha256 }) => sha256),
    laid.files.map(({ sha256 }) => sha256),
    (all) => all.map(brief),
  )
}

async function installedCredentials(checks: Checks, site: ScenarioSite): Promise<void> {
  const installed = await folderOf(site, 'orchestrator', places.installed)
  const manifest = await manifestIn(site, 'orchestrator', `${places.installed}/current.json`)
  const handed = await manifestIn(site, 'orchestrator', `${places.arrived}/manifest.json`)
  demandFolder(checks, 'installed credentials', installed)
  checks.is('generation', manifest.generation, handed.generation)
  checks.is('installed files', namesOf(installed), [...handedOver, 'current.json'].sort())
  demandSecrets(checks, installed, namesOf(installed))
  for (const { name, sha256 } of handed.files) {
    checks.is(`digest of ${name}`, installed.files.find((file) => file.name === name)?.sha256, sha256, brief)
  }
}

async function configuration(checks: Checks, site: ScenarioSite): Promise<void> {
  const node = site.node('orchestrator')
  const demandFiles = async (folder: string, ...names: string[]) =>
    demandSecrets(checks, await folderOf(site, 'orchestrator', folder, names), names)
  await demandFiles(dirname(places.configuration), basename(places.configuration))
  const { messaging } = JSON.parse(await node.readFile(places.configuration)) as { messaging: { mongo: object } }
  for (const path of Object.values(messaging.mongo) as string[]) {
    await demandFiles(dirname(relative(node.dir, path)), basename(path))
  }
  const user = site.plan.nodes.orchestrator?.units.find(({ name }) => name === 'orchestrator')?.user
  const checked = [
    ...(user === undefined ? [] : ['sh', '-c', asUser, user]),
    'node',
    '--conditions=holdfast-source',
    serviceMain('orchestrator'),
    '--config',
    places.configuration,
    '--check-config',
  ]
  const { code, stderr } = await node.exec(checked)
  checks.holds(`the configuration is refused: ${stderr}`, code === 0)
}

/** Runs what follows as somebody else, who judges files by who he is. */
const asUser = 'exec setpriv --reuid="$0" --regid="$(id -g "$0")" --init-groups -- "$@"'

interface Connection {
  readonly ip: string
  readonly authorized_user?: string
}

async function orchestratorStatus(checks: Checks, site: ScenarioSite, before: Running): Promise<void> {
  demandRunning(checks, site, before, ['orchestrator', 'orchestrator'])
  checks.is('/readyz', (await site.operator('orchestrator').get('/readyz')).status, 200)
  const { connections } = await monitoring<{ connections: Connection[] }>(site, '/connz?auth=1')
  const { files } = await manifestIn(site, 'orchestrator', `${places.installed}/current.json`)
  const own = connections.filter(({ ip }) => ip === site.node('orchestrator').address)
  const users = own.map(({ authorized_user }) => authorized_user).sort()
  checks.is('users that are connected from there', users, files.map(({ user }) => user.key).sort(), (all) =>
    all.map(brief),
  )
}

async function content(checks: Checks, site: ScenarioSite): Promise<void> {
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
    const login = await site.call('orchestrator', 'nats-1', 'nats:connect', site.credentials.named(name))
    markJudged(login)
    checks.is(`login with ${name}: problems`, acceptanceProblems(login), [])
  }
}

async function success(checks: Checks, site: ScenarioSite): Promise<void> {
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
  if (site.plan.nodes[command.host] === undefined || status !== 202) return
  const told = async () => {
    const found = await statusFrom(site, command.host)
    return found?.id === command.id && found
  }
  const applied = await site.until('its status', told, { withinMs: STATUS_WITHIN_MS }).catch(() => undefined)
  checks.is('state that its host tells', applied?.state, 'applied')
  checks.is('place that its host tells', applied?.seq, before + 1)
}

interface Status {
  readonly id?: string
  readonly state?: string
  readonly seq?: number
}

/** What a host told last about a command, as the orchestrator shows it. */
async function statusFrom(site: ScenarioSite, host: string): Promise<Status | undefined> {
  const { json } = await site.operator('orchestrator').get('/v1/inventory')
  const { hosts } = json as { hosts: { host: string; status?: { content?: Status } }[] }
  return hosts.find((one) => one.host === host)?.status?.content
}

/** What became of a unit last. */
function lastOf(site: ScenarioSite, node: string, unit: string): string | undefined {
  const events = site.site.events().filter((event) => event.node === node && event.event !== 'log')
  return events.findLast((event) => 'unit' in event && event.unit === unit)?.event
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** Of keys and digests as much as tells them apart. */
function brief(text: string | undefined): string | undefined {
  return text && `${text.slice(0, 8)}…${text.slice(-8)}`
}
