import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { access, lstat, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { HoldfastError } from '../errors.ts'
import { settings } from '../settings.ts'
import { startTime } from './processes.ts'

/** What a run says of itself in `<runtimeDir>/<run>/run.json`, and without secrets in its evidence too. */
export interface RunRecord {
  run: string
  topology: string
  backend: string
  /** The coordinator: the run lives as long as this process, which is told by its start from a later one. */
  pid: number
  startTime: string
  /** `127.x.y.`, on backends that take addresses of this machine. */
  subnet?: string
  /** Where nodes are machines: how those run, and why so. */
  machines?: string
  /** Absolute. */
  evidence: string
  /** Paths of the real programs that follow the clock and the host names of the run, by name: builds of ours. Absent: none does. */
  overlayBuilds?: Record<string, string>
  /** Only where the clocks of the nodes can be moved. */
  clock?: {
    kind: 'movable'
    /** Seconds ahead of the machine at the start. */
    startsAtSeconds: number
    libfaketime?: string
  }
}

/** A run in the making: its record so far, and its folder on this machine. */
export interface Run {
  readonly record: RunRecord
  readonly folder: string
}

const MARK = '.new-'
/** A folder without a readable run.json is somebody's who is just making it, unless that process has ended, or it is older than this. */
const MAKING_MS = 60_000

/** Label of a new run: the topology's name in letters that fit a label, and six hexadecimal digits. */
export function newLabel(topology: string): string {
  const name = topology.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')
  return `${name}-${randomBytes(3).toString('hex')}`
}

/** Whether a name has the form of a label. */
export function isLabel(name: string): boolean {
  return /-[0-9a-f]{6}$/.test(name)
}

/** Makes the folder of a run (0700). It appears under its name only with its `run.json` in it. */
export async function createRunFolder(record: RunRecord): Promise<string> {
  const runtimeDir = await runtimeFolder()
  const [making, folder] = [join(runtimeDir, `${MARK}${record.run}.${record.pid}`), join(runtimeDir, record.run)]
  await mkdir(making, { mode: 0o700 })
  await writeRecord(making, record)
  await rename(making, folder)
  return folder
}

/** Replaced whole: a run is never without its record. */
export async function writeRecord(folder: string, record: RunRecord): Promise<void> {
  const file = join(folder, 'run.json')
  await writeFile(`${file}.new`, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 })
  await rename(`${file}.new`, file)
}

/** The folder of all runs cannot be used, or not be trusted with keys. Code `HOLDFAST_RUNTIME_DIR`. */
export class RuntimeFolderNotOurs extends HoldfastError {
  constructor(folder: string, what: string, options?: ErrorOptions) {
    super('HOLDFAST_RUNTIME_DIR', `${folder} ${what}; set HOLDFAST_RUNTIME_DIR to a folder of yours`, options)
  }
}

/** The folder of all runs, made (0700) where it is not there. @throws RuntimeFolderNotOurs */
export async function runtimeFolder(): Promise<string> {
  const { runtimeDir } = settings()
  try {
    await mkdir(runtimeDir, { recursive: true, mode: 0o700 })
    await access(runtimeDir, constants.W_OK | constants.X_OK)
  } catch (cause) {
    throw unusable(runtimeDir, cause as NodeJS.ErrnoException)
  }
  await demandOwnFolder(runtimeDir, (what) => new RuntimeFolderNotOurs(runtimeDir, what))
  return runtimeDir
}

/** As that of somebody else, which su, sudo and containers leave in XDG_RUNTIME_DIR. */
function unusable(folder: string, { code, message }: NodeJS.ErrnoException): RuntimeFolderNotOurs {
  return new RuntimeFolderNotOurs(folder, `cannot be used (${code ?? message})`)
}

/** It may lie where everybody can make folders: whoever came first must not own the keys of our nodes. Throws what `failure` makes of it. */
export async function demandOwnFolder(folder: string, failure: (what: string) => HoldfastError): Promise<void> {
  // Resolved, for a link with a slash behind it is followed.
  const status = await lstat(resolve(folder))
  const { uid, mode } = status
  const notOurs = (what: string) => failure(`${what}, so others could put their own files in the place of keys`)
  if (!status.isDirectory()) throw notOurs('is a link or no folder')
  if (uid !== process.getuid?.()) throw notOurs(`belongs to user ${uid}`)
  if ((mode & 0o022) !== 0) throw notOurs('can be written by others')
}

export interface FoundRun {
  folder: string
  /** Absent where its run.json cannot be read. */
  record?: RunRecord
  alive: boolean
}

/** All runs of this user on this machine. */
export async function findRuns(): Promise<FoundRun[]> {
  const { runtimeDir } = settings()
  const names = await readdir(runtimeDir).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return [] as string[]
    throw unusable(runtimeDir, cause)
  })
  const found = await Promise.all(names.map((name) => look(join(runtimeDir, name), name)))
  return found.filter((run) => run !== undefined)
}

async function look(folder: string, name: string): Promise<FoundRun | undefined> {
  const status = await stat(folder).catch(() => undefined)
  if (!status?.isDirectory()) return undefined
  const text = readFile(join(folder, 'run.json'), 'utf8')
  const record: RunRecord | undefined = await text.then(JSON.parse).catch(() => undefined)
  if (record !== undefined) return { folder, record, alive: (await startTime(record.pid)) === record.startTime }
  // Only what carries our mark, or has the form of a label, is ours to judge.
  if (!name.startsWith(MARK) && !isLabel(name)) return undefined
  // A time ahead is of a clock that was set back: nobody knows how old it is.
  const isNew = Math.abs(Date.now() - status.mtimeMs) < MAKING_MS
  return { folder, alive: isNew && !(await isMakerGone(name)) }
}

/** The name of a folder in the making ends with the process that makes it. */
async function isMakerGone(name: string): Promise<boolean> {
  const [, pid] = /\.(\d+)$/.exec(name) ?? []
  return pid !== undefined && (await startTime(Number(pid))) === undefined
}

/** Removes a run's folder with the keys in it. */
export async function removeRunFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 3 })
}
