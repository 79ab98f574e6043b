import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, statSync } from 'node:fs'
import {
  chmod,
  copyFile,
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { HoldfastError } from '../../errors.ts'
import { settings } from '../../settings.ts'
import { administratorFolders } from '../../toolchain/administrators.ts'
import { lockFolder } from '../../toolchain/lock.ts'
import { type GuestFiles, librariesOf } from './guest-files.ts'
import { folderAside, folderOfMachines, removeUnfinishedIn, writeWhole } from './set-aside.ts'

const run = promisify(execFile)

const DAY_MS = 86_400_000
/** An image that nobody has started a machine from for so long is removed. */
const KEPT_MS = 14 * DAY_MS
const SLACK_BYTES = 16_777_216

/** An image for guests could not be made. Code `HOLDFAST_VM_IMAGE`. */
export class ImageFailed extends HoldfastError {
  constructor(cause: unknown) {
    const { stderr, message } = cause as { stderr?: string; message: string }
    super('HOLDFAST_VM_IMAGE', `an image for machines could not be made: ${stderr?.trim() || message}`, { cause })
  }
}

/** What is known of files that were made into an image: its name, and the libraries that went with them, with their state then. */
interface Known {
  image: string
  libraries: Record<string, string>
}

/**
 * A file system with these files and the libraries that they need, read-only: path of its image. It is called by what is in it, made once,
 * and shared by all machines and runs; one that nobody has used for two weeks is removed.
 */
export async function imageOf(files: GuestFiles): Promise<string> {
  const folder = folderOfMachines()
  const state = stateOf(files)
  const known = await knownImage(folder, state)
  if (known !== undefined) return known
  using _ = await lockFolder(folder)
  return (await knownImage(folder, state)) ?? makeImage(folder, state, files)
}

async function knownImage(folder: string, state: string): Promise<string | undefined> {
  const text = await readFile(join(folder, 'known', state), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const { image, libraries } = JSON.parse(text) as Known
  for (const [path, then] of Object.entries(libraries)) if (stampOf(path) !== then) return undefined
  const path = join(folder, image)
  if (!(await isOursAlone(path))) return undefined
  const now = new Date()
  // Used now, for whoever clears away what is not.
  return utimes(path, now, now).then(
    () => path,
    () => undefined,
  )
}

/**
 * Whether there is an image that nobody else can have changed; then it is kept from others from now on, as it was not always. One that others
 * may write is removed, and made anew.
 */
async function isOursAlone(path: string): Promise<boolean> {
  const status = await lstat(path).catch(() => undefined)
  if (status === undefined) return false
  const isOurs = status.isFile() && status.uid === process.getuid?.() && (status.mode & 0o022) === 0
  if (!isOurs) await rm(path, { force: true })
  else if ((status.mode & 0o077) !== 0) await chmod(path, 0o600)
  return isOurs
}

async function makeImage(folder: string, state: string, files: GuestFiles): Promise<string> {
  const libraries = await librariesOf(files)
  const all: GuestFiles = new Map([...files, ...libraries])
  const name = `${(await contentOf(all)).slice(0, 24)}.ext4`
  const path = join(folder, name)
  if (!(await isOursAlone(path))) await build(folder, path, all)
  const stamps = [...libraries].flatMap(([at, entry]) => ('file' in entry ? [[at, stampOf(at)] as const] : []))
  const known: Known = { image: name, libraries: Object.fromEntries(stamps) }
  await writeWhole(folder, join(folder, 'known', state), JSON.stringify(known))
  await clearAway(folder)
  return path
}

/** Made aside and moved: an image under its name is whole. */
async function build(folder: string, path: string, files: GuestFiles): Promise<void> {
  await removeUnfinishedIn(folder)
  const making = await folderAside(folder)
  try {
    const [root, image] = [join(making, 'root'), join(making, 'image')]
    const bytes = await stage(root, files)
    // Block by block a file takes up to one more, and its entry in a folder.
    const size = Math.ceil((bytes * 1.06 + files.size * 4_608 + SLACK_BYTES) / 4_096)
    const features = ['-t', 'ext4', '-O', '^has_journal', '-b', '4096', '-m', '0', '-N', String(files.size * 2 + 1_000)]
    await run('mke2fs', ['-q', '-F', ...features, '-d', root, image, String(size)], { env: toolEnvironment() })
    // What its owner alone can read here, is in it for all users of a guest.
    await chmod(image, 0o600)
    await rename(image, path)
  } catch (cause) {
    throw new ImageFailed(cause)
  } finally {
    await rm(making, { recursive: true, force: true })
  }
}

function toolEnvironment(): Record<string, string> {
  return { PATH: [...settings().path, ...administratorFolders].join(':') }
}

/** A folder that looks as the root of a guest will. How many bytes are in it. */
async function stage(root: string, files: GuestFiles): Promise<number> {
  const made = new Set<string>()
  let bytes = 0
  const folder = async (path: string) => {
    if (made.has(path)) return
    made.add(path)
    await mkdir(path, { recursive: true, mode: 0o755 })
  }
  for (const [path, entry] of files) {
    const at = join(root, path)
    await folder(dirname(at))
    if ('link' in entry) await symlink(entry.link, at)
    else {
      bytes += (await stat(entry.file)).size
      await place(entry.file, at)
    }
  }
  return bytes
}

/** A second name takes no time and no room; where it cannot be, or others could not read it, there is a copy. */
async function place(file: string, at: string): Promise<void> {
  const { mode } = await stat(file)
  const isOpen = (mode & 0o044) === 0o044
  const isLinked =
    isOpen &&
    (await link(file, at).then(
      () => true,
      () => false,
    ))
  if (isLinked) return
  await copyFile(file, at)
  await chmod(at, (mode & 0o111) === 0 ? 0o644 : 0o755)
}

/** What tells one state of these files from another without reading them. */
function stateOf(files: GuestFiles): string {
  const hash = createHash('sha256')
  for (const [path, entry] of sorted(files)) {
    hash.update(`${path}\0${'link' in entry ? `link ${entry.link}` : stampOf(entry.file)}\0`)
  }
  return hash.digest('hex').slice(0, 24)
}

/** Of the content of all files, as hexadecimal SHA-256. */
async function contentOf(files: GuestFiles): Promise<string> {
  const hash = createHash('sha256')
  for (const [path, entry] of sorted(files)) {
    if ('link' in entry) hash.update(`${path}\0link ${entry.link}\0`)
    else {
      const own = createHash('sha256')
      await pipeline(createReadStream(entry.file, { highWaterMark: 1 << 20 }), own)
      hash.update(`${path}\0${(await stat(entry.file)).mode & 0o777} ${own.digest('hex')}\0`)
    }
  }
  return hash.digest('hex')
}

function sorted(files: GuestFiles): [string, GuestFiles extends Map<string, infer Entry> ? Entry : never][] {
  return [...files].sort(([one], [other]) => (one < other ? -1 : 1))
}

/** Without the time of its last change of status: to give a file a second name, as is done here, is one. */
function stampOf(path: string): string {
  const status = statSync(path, { throwIfNoEntry: false })
  return status === undefined ? 'gone' : [status.size, status.mtimeMs, status.mode, status.ino].join(' ')
}

async function clearAway(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.endsWith('.ext4')) continue
    const path = join(folder, name)
    const { atimeMs, mtimeMs } = await stat(path)
    if (Date.now() - Math.max(atimeMs, mtimeMs) > KEPT_MS) await rm(path, { force: true })
  }
}
