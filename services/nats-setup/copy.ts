import { createHash } from 'node:crypto'
import { lstat, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { readCreds } from '../shared/nats/creds-text.ts'
import { MANIFEST_FILE, type Manifest } from '../shared/nats/manifest.ts'
import { USERS, type UserName } from '../shared/nats/roles.ts'
import { credsPath, type SetupRecord } from '../shared/nats/setup-record.ts'
import { isSystems } from '../shared/system-failure.ts'
import { type Configuration, filesOf, type Handover } from './config.ts'
import { HandoverFailed, OutputInvalid } from './failures.ts'
import { type Demand, ownFolder, type Prepared, prepare, removeUnfinished, syncFolder, wayOut } from './files.ts'
import { identityOf } from './identities.ts'
import { withStore } from './lock.ts'
import { scanCreds, scanFolder } from './scan.ts'
import { jsonOf, readRecord } from './setup.ts'
import { together } from './together.ts'

/** What became of one hand-over folder. */
export interface Copied {
  readonly dir: string
  readonly generation: number
  /** false: it had this very set already, and nothing was touched. */
  readonly changed: boolean
}

/** Hands the credentials of this generation over: the manifest comes last, so that whoever waits for it finds a whole set. */
export async function copyAll(configuration: Configuration): Promise<Copied[]> {
  await readRecord(configuration)
  return withStore(configuration.stateDir, async () => handOver(configuration, await readRecord(configuration)))
}

/** The same for who holds the store already. */
export async function handOver(configuration: Configuration, record: SetupRecord): Promise<Copied[]> {
  // What is wrong with the folder of one keeps nothing from the others.
  return together(configuration.handovers.map((handover) => copyOne(configuration, handover, record)))
}

/** One file of a set, as it lies in the setup. */
interface Source {
  readonly name: string
  readonly user: UserName
  readonly path: string
  readonly text: string
}

async function copyOne(configuration: Configuration, handover: Handover, record: SetupRecord): Promise<Copied> {
  const { dir } = handover
  const sources = await Promise.all(handover.users.map((user) => readSource(configuration, user)))
  const owner = await ownerOf(handover)
  const demand = { ...owner, mode: handover.group === undefined ? 0o600 : 0o640 }
  const { generation } = record
  try {
    await ownFolder(dir, { ...owner, mode: handover.group === undefined ? 0o700 : 0o2750 })
    await removeUnfinished(dir)
    await scanFolder(dir, filesOf(handover))
    const files = sources.map((source) => entryOf(source, record))
    const manifest = manifestOf(record, files)
    const changed = !(await isThere(dir, manifest, demand))
    if (changed) await writeSet(dir, sources, manifest, demand)
    await scanFolder(dir, filesOf(handover))
    return { dir, generation, changed }
  } catch (failure) {
    const { code, message } = failure as NodeJS.ErrnoException
    if (!isSystems(code)) throw failure
    const way = `${wayOut(code)}; the set before is still whole`
    throw new HandoverFailed(dir, `cannot be written (${message}); ${way}`, { cause: failure })
  }
}

async function readSource({ stateDir }: Configuration, user: UserName): Promise<Source> {
  const path = join(stateDir, credsPath(user))
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new OutputInvalid(path, `cannot be read (${cause.code})`, { cause })
  })
  scanCreds(path, text)
  return { name: USERS[user].creds, user, path, text }
}

async function ownerOf({ dir, owner, group }: Handover): Promise<Pick<Demand, 'uid' | 'gid'>> {
  const numberOf = async (kind: 'user' | 'group', name: string | undefined) => {
    if (name === undefined) return undefined
    const id = await identityOf(kind, name)
    if (id === undefined)
      throw new HandoverFailed(dir, `is for the ${kind} ${name}, whom this host does not have; make it first`)
    return id
  }
  return { uid: await numberOf('user', owner), gid: await numberOf('group', group) }
}

function manifestOf({ generation, operator, issuedAt }: SetupRecord, files: Manifest['files']): Manifest {
  return { version: 2, generation, operator: operator.key, issuedAt, files }
}

function entryOf({ name, user, path, text }: Source, record: SetupRecord): Manifest['files'][number] {
  const { key, account, signer, role, expiresAt } = record.users[user]
  if (readCreds(text)?.claims.sub !== key) {
    throw new OutputInvalid(path, 'is of another key than setup.json tells of')
  }
  const bytes = Buffer.from(text)
  return {
    name,
    sha256: digest(bytes),
    size: bytes.length,
    user: { name: user, key, account, signer, role },
    expiresAt,
  }
}

/** All of it is written before any of it is in place: a disk that is full leaves the set before as it was. */
async function writeSet(dir: string, sources: readonly Source[], manifest: Manifest, demand: Demand): Promise<void> {
  const whole: Prepared[] = []
  const add = async (name: string, text: string) => whole.push(await prepare(join(dir, name), text, demand))
  try {
    for (const { name, text } of sources) await add(name, text)
    await add(MANIFEST_FILE, `${JSON.stringify(manifest, null, 2)}\n`)
    for (const one of whole.slice(0, -1)) await one.place()
    await syncFolder(dir)
    await whole.at(-1)?.place()
    await syncFolder(dir)
  } catch (failure) {
    await Promise.all(whole.map((one) => one.drop()))
    throw failure
  }
}

/** Whether the folder holds this set as it should: whoever watches it need not look again then. */
async function isThere(dir: string, manifest: Manifest, demand: Demand): Promise<boolean> {
  const { files } = manifest
  const text = await readFile(join(dir, MANIFEST_FILE), 'utf8').catch(() => undefined)
  if (text === undefined || !isDeepStrictEqual(jsonOf(text), manifest)) return false
  if ((await readdir(dir)).length !== files.length + 1) return false
  for (const name of [...files.map((file) => file.name), MANIFEST_FILE]) {
    if (!(await isAsDemanded(join(dir, name), demand))) return false
  }
  const digests = await Promise.all(files.map(async ({ name }) => digest(await readFile(join(dir, name)))))
  return isDeepStrictEqual(
    digests,
    files.map(({ sha256 }) => sha256),
  )
}

async function isAsDemanded(path: string, { mode, uid, gid }: Demand): Promise<boolean> {
  const found = await lstat(path)
  return (
    (found.mode & 0o7777) === mode &&
    (uid === undefined || found.uid === uid) &&
    (gid === undefined || found.gid === gid)
  )
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
