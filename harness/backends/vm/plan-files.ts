import { closeSync, openSync, readdirSync, readFileSync, readSync, realpathSync, statSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'
import type { RunSettings } from '../../agent/protocol.ts'
import type { Plan, PlanNode, Step } from '../../topology/plan.ts'
import { type GuestFiles, packageOf, takeAll, takeFile } from './guest-files.ts'

/** What a run needs of this machine beyond what every machine has. */
export interface PlanFiles {
  /** Programs, and packages of scripts: for an image that other runs share. */
  readonly programs: GuestFiles
  /** By path. Files that are read: keys and configurations among them, so they go to the machines of this run and nowhere else. */
  readonly read: ReadonlyMap<string, { readonly content: Uint8Array; readonly mode: number }>
}

/** The same for the nodes of a run. */
interface FilesOfNodes {
  /** Of all nodes: they share their images. */
  readonly programs: GuestFiles
  /** By node, and then by path. */
  readonly read: ReadonlyMap<string, PlanFiles['read']>
}

interface NamedBy {
  readonly plan: Pick<Plan, 'nodes'>
  readonly extra: RunSettings['extra']
  /** What every node is told. */
  readonly all: readonly unknown[]
}

const LONGEST_READ = 16_777_216
/** Places whose files no other machine has, or has of its own. */
const elsewhere = /^\/(proc|sys|dev|run)\//

/** The files that are read on each node, and those that every node is told of: nobody's key lies on the machine of another. */
export function filesOfNodes({ plan, extra, all }: NamedBy, has: (path: string) => boolean): FilesOfNodes {
  const programs: GuestFiles = new Map()
  const read = new Map<string, PlanFiles['read']>()
  const named = Map.groupBy(Object.values(plan.nodes).flatMap(namedBy), ([node]) => node)
  for (const node of Object.keys(plan.nodes)) {
    const own = Object.entries(extra).filter(([at]) => at === node || at.startsWith(`${node}/`))
    const files = filesNamedIn([named.get(node), own, all], has)
    for (const [path, entry] of files.programs) programs.set(path, entry)
    read.set(node, files.read)
  }
  return { programs, read }
}

/** What units of a node name, each with the node on which it is read: what is handed over to them, its source reads. */
function namedBy({ name, units }: PlanNode): (readonly [node: string, named: unknown])[] {
  const ofStep = (step: Step): (readonly [string, unknown])[] => {
    if ('parallel' in step) return step.parallel.flat().flatMap(ofStep)
    if ('enrol' in step) {
      const { provisioner, ...own } = step.enrol
      return [
        [name, own],
        [own.ca, provisioner],
      ]
    }
    if (!('receive' in step)) return [[name, step]]
    const { from, source, ...own } = step.receive
    return [
      [name, own],
      [from, source],
    ]
  }
  return units.flatMap(({ steps, ...own }) => [[name, own] as const, ...steps.flatMap(ofStep)])
}

/** The files of this machine that values name by their absolute paths, alone or within a text (`--config=/etc/x`, a `file:` URL). */
export function filesNamedIn(values: readonly unknown[], has: (path: string) => boolean): PlanFiles {
  const programs: GuestFiles = new Map()
  const read = new Map<string, { content: Uint8Array; mode: number }>()
  /** Its links are in the image; what stands in it is not. */
  const keepApart = (path: string) => {
    const { mode, size } = statSync(path)
    programs.delete(path)
    if (size <= LONGEST_READ && isReadable(path)) read.set(path, { content: readFileSync(path), mode: mode & 0o777 })
  }
  for (const path of pathsIn(values)) {
    const status = statSync(path, { throwIfNoEntry: false })
    if (has(path) || status === undefined || elsewhere.test(path)) continue
    if (!status.isFile()) continue
    if (isScript(path)) takeProgram(programs, path)
    else {
      takeFile(programs, path)
      if ((status.mode & 0o111) === 0) keepApart(realpathSync(path))
    }
  }
  // A package may hold what nobody but its owner reads.
  for (const [path, entry] of programs) if ('file' in entry && (statSync(path).mode & 0o115) === 0) keepApart(path)
  return { programs, read }
}

/** A script with its package; one that belongs to none, with the scripts and data beside it: its folder may be anybody's home. */
function takeProgram(programs: GuestFiles, script: string): void {
  takeFile(programs, script)
  const owner = packageOf(script)
  if (owner !== undefined) {
    takeAll(programs, owner, (name) => name !== '.git' && name !== '.holdfast')
    return
  }
  const folder = dirname(realpathSync(script))
  for (const { name } of readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile())) {
    if (/^[^.].*\.(?:[cm]?[jt]s|json|wasm|node)$/.test(name)) takeFile(programs, join(folder, name))
  }
}

function pathsIn(values: readonly unknown[]): Set<string> {
  const found = new Set<string>()
  const walk = (value: unknown): void => {
    if (typeof value === 'string') {
      for (const [, path] of value.matchAll(/(?:^|[\s=:,]|file:\/\/)(\/[^\s:,?'"\0]+)/g)) found.add(path as string)
    } else if (value !== null && typeof value === 'object') for (const one of Object.values(value)) walk(one)
  }
  for (const value of values) walk(value)
  return found
}

function isScript(path: string): boolean {
  if (/^\.[cm]?[jt]s$/.test(extname(path))) return true
  const file = openSync(path, 'r')
  try {
    const head = Buffer.alloc(64)
    const size = readSync(file, head, 0, 64, 0)
    return /^#!.*\bnode\b/.test(head.toString('latin1', 0, size))
  } catch {
    return false
  } finally {
    closeSync(file)
  }
}

function isReadable(path: string): boolean {
  try {
    closeSync(openSync(path, 'r'))
    return true
  } catch {
    return false
  }
}
