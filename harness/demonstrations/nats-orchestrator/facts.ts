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

export interface Folder {
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
