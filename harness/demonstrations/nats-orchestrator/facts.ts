import type { ScenarioSite } from '../../site/scenario-site.ts'

// What lies on the nodes of nats-orchestrator, and what they tell.

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
export interface Entry {
  readonly name: string
  readonly mode: string
  readonly uid: number
  readonly size: number
  readonly sha256: string
}

/** Runs on the node: facts of a folder and of files in it, none of whose content leaves the node. A named one that is missing is left out. */
const look = `
  const { lstatSync, readdirSync, readFileSync, statSync } = require('node:fs')
  const { createHash } = require('node:crypto')
  const [owner, folder, ...names] = process.argv.slice(1)
  const row = owner && readFileSync('/etc/passwd', 'utf8').split('\\n').find((line) => line.startsWith(owner + ':'))
  const own = statSync(folder)
  const there = (name) => lstatSync(folder + '/' + name, { throwIfNoEntry: false })
  const all = (names.length > 0 ? names.filter(there) : readdirSync(folder).sort()).map((name) => {
    const { mode, uid, size } = there(name)
    const sha256 = createHash('sha256').update(readFileSync(folder + '/' + name)).digest('hex')
    return { name, mode: (mode & 0o7777).toString(8), uid, size, sha256 }
  })
  const must = row ? Number(row.split(':')[2]) : process.getuid()
  console.log(JSON.stringify({ mode: (own.mode & 0o7777).toString(8), uid: own.uid, must, files: all }))`

export interface Folder {
  readonly mode: string
  readonly uid: number
  readonly files: readonly Entry[]
  /** What the plan says of it: whose it and its files are, and their modes, without a zero in front. */
  readonly must: { readonly uid: number; readonly mode: string; readonly fileMode: string }
}

export async function folderOf(
  site: ScenarioSite,
  node: string,
  path: string,
  names: readonly string[] = [],
): Promise<Folder> {
  const { owner = '', mode, fileMode } = planned(site, node, path)
  const { code, stdout, stderr } = await site.node(node).exec(['node', '-e', look, owner, path, ...names])
  if (code !== 0) throw new Error(`${node}: ${path}: ${/Error: (.*)/.exec(stderr)?.[1] ?? stderr}`)
  const { must, ...found } = JSON.parse(stdout) as Omit<Folder, 'must'> & { must: number }
  return { ...found, must: { uid: must, mode, fileMode } }
}

/** That of a unit is its user's alone; what is handed over says so itself. Where nobody is named, it is whose the node is. */
function planned({ plan }: ScenarioSite, node: string, path: string) {
  const units = plan.nodes[node]?.units ?? []
  const steps = units.flatMap((unit) => unit.steps)
  const received = steps.flatMap((step) => ('receive' in step ? [step.receive.to] : []))
  const to = received.find((one) => one.path === `@{dir}/${path}`)
  const owner = to?.owner ?? units.find(({ name }) => `${path}/`.startsWith(`units/${name}/`))?.user
  const told = (mode: string) => mode.replace(/^0/, '')
  return { owner, mode: told(to?.folderMode ?? '0700'), fileMode: told(to?.mode ?? '0600') }
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
  // Where all nodes share the loopback of one machine each has an address of its own there; elsewhere it has the usual one.
  const loopback = broker.address.startsWith('127.') ? broker.address : '127.0.0.1'
  const { stdout, stderr } = await broker.exec(['curl', '--silent', '--show-error', `http://${loopback}:8222${path}`])
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout) as Answer
}
