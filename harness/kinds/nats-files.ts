import type { UnitContext } from '../topology/kind.ts'
import type { Receive, Step, Template } from '../topology/plan.ts'

// What kinds of units on the host of a broker have in common: where the one that makes its keys leaves them.

/** Folder in which a unit of a node leaves what it made of operator, accounts and users. */
export function setupFolder(unit: string): Template {
  return `@{dir}/units/${unit}/state`
}

/** The same as seen from the folder of another unit: a broker's configuration includes files by such a path alone. */
export function setupFolderBeside(unit: string): string {
  return `../${unit}/state`
}

/** Where a unit finds what a setup of its node made. */
export interface Made {
  readonly folder: Template
  /** Whether that is a folder of its own, with files alone: no two users of a node read the same. */
  readonly isHanded: boolean
  /** What brings it there. */
  readonly steps: readonly Step[]
}

/** What a unit needs of a setup: read where it lies, or handed to the unit where that belongs to another user. */
export function madeFor(
  { node, unit, topology }: UnitContext<unknown>,
  { setup, files, again }: { setup: string; files: readonly string[]; again?: Receive['again'] },
): Made {
  const userOf = (name: string) => topology.nodes[node]?.units[name]?.user
  const [folder, user] = [setupFolder(setup), userOf(unit)]
  if (user === undefined || user === userOf(setup)) return { folder, isHanded: false, steps: [] }
  const to = { path: handedFolder, mode: '0600' }
  const source = { files: files.map((file): Template => `${folder}/${file}`) }
  return { folder: handedFolder, isHanded: true, steps: [{ receive: { from: node, source, again, to } }] }
}

const handedFolder: Template = '@{unit}/setup'

/** Folder in which a broker keeps the claims of accounts. */
export function resolverFolder(unit: string): Template {
  return `@{dir}/units/${unit}/jwt`
}

export const operatorFile = (operator: string) => `${operator}.jwt`
export const resolverFile = 'main-resolver.conf'
/** Written last: there is no setup without it. */
export const setupFile = 'setup.json'
/** What an auth callout signs with, opens with, and logs in with. */
export const calloutFolder = 'local-keys'
export const calloutFiles = ['response.nk', 'host_role.nk', 'curve.nk', 'callout_user.creds', 'sys_kick.creds'].map(
  (file) => `${calloutFolder}/${file}`,
)
