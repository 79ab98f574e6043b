import { randomBytes } from 'node:crypto'
import { chmod, chown, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { HoldfastError } from '../errors.ts'

/** A file that was handed over does not have the demanded mode or owner. Code `HOLDFAST_HANDOVER_MODE`. */
export class WrongFileMode extends HoldfastError {
  constructor(path: string, what: string, expected: string, found: string) {
    super(
      'HOLDFAST_HANDOVER_MODE',
      `${path}: its ${what} is ${found} and must be ${expected}; check the file system's mount options and the user`,
    )
  }
}

export interface FileDemand {
  /** Octal text, `0600`. */
  mode: string
  /** User and group: name or number. Changing them needs privileges. */
  owner?: string
  group?: string
}

/** Makes a folder (0700) and those above it. */
export async function secretFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
}

/** Writes a file in one step: a reader sees the old content or the new, never half of it. Mode and owner are checked after it. */
export async function writeSecret(path: string, content: string, demand: FileDemand): Promise<void> {
  await secretFolder(dirname(path))
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`
  const mode = Number.parseInt(demand.mode, 8)
  const [uid, gid] = await Promise.all([idOf(demand.owner, '/etc/passwd'), idOf(demand.group, '/etc/group')])
  try {
    const handle = await open(temporary, 'wx', 0o600)
    try {
      await handle.writeFile(content)
    } finally {
      await handle.close()
    }
    if (uid !== undefined || gid !== undefined) await chown(temporary, uid ?? -1, gid ?? -1)
    await chmod(temporary, mode)
    await rename(temporary, path)
  } catch (cause) {
    await rm(temporary, { force: true })
    throw cause
  }
  await check(path, mode, uid, gid)
}

async function check(path: string, mode: number, uid: number | undefined, gid: number | undefined): Promise<void> {
  const found = await stat(path)
  const octal = (value: number) => `0${(value & 0o7777).toString(8)}`
  if ((found.mode & 0o7777) !== mode) throw new WrongFileMode(path, 'mode', octal(mode), octal(found.mode))
  if (uid !== undefined && found.uid !== uid) throw new WrongFileMode(path, 'owner', `${uid}`, `${found.uid}`)
  if (gid !== undefined && found.gid !== gid) throw new WrongFileMode(path, 'group', `${gid}`, `${found.gid}`)
}

/** Number of a user or group; names are looked up in the system's own table. */
async function idOf(name: string | undefined, table: string): Promise<number | undefined> {
  if (name === undefined) return undefined
  if (/^\d+$/.test(name)) return Number(name)
  const lines = (await readFile(table, 'utf8')).split('\n').map((line) => line.split(':'))
  const id = lines.find((columns) => columns[0] === name)?.[2]
  if (id === undefined) {
    throw new HoldfastError(
      'HOLDFAST_HANDOVER_OWNER',
      `${name} is not in ${table}; name a user or group of this machine`,
    )
  }
  return Number(id)
}
