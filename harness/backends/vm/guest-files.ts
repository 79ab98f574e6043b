import { execFile } from 'node:child_process'
import {
  closeSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  realpathSync,
  statSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { administratorFolders } from '../../toolchain/administrators.ts'

const run = promisify(execFile)

/**
 * What goes into an image, by where it lies: everything lies in a guest where it lies here. A link is there with where it leads; a file
 * that a link leads to lies where it really is.
 */
export type GuestFiles = Map<string, { readonly link: string } | { readonly file: string }>

/** Programs that units, tests and people look for on a node. What this machine has not, its guests have not. */
const programs = `
  bash sh env cat ls cp mv rm mkdir rmdir mkfifo ln chmod chown chgrp touch truncate stat id date sleep kill ps pgrep pkill getent hostname
  head tail grep sed awk mawk gawk tr cut sort uniq wc tee test true false echo printf dd od base64 sha256sum find xargs uname
  whoami readlink realpath dirname basename mktemp df du mount umount ip ss seq timeout nohup setsid setpriv prlimit stdbuf sync expr
  diff cmp tar gzip nproc nice which tty stty logger install sudo su
  curl openssl nginx haproxy apache2 psql postgres nats`
  .trim()
  .split(/\s+/)

/** Folders and files of a system that programs read: taken where they are there. */
const systemFiles = [
  '/etc/passwd',
  '/etc/group',
  '/etc/protocols',
  '/etc/services',
  '/etc/localtime',
  '/etc/timezone',
  '/etc/os-release',
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/usr/lib/ssl',
  '/usr/lib/locale/C.utf8',
  '/usr/lib/nginx/modules',
  '/usr/lib/apache2/modules',
  '/etc/nginx/mime.types',
  '/etc/apache2/mime.types',
]

/** Whole programs whose parts lie in folders of their own. */
const programFolders = ['/usr/lib/postgresql', '/usr/share/postgresql']

/** What of Holdfast itself an agent and what it starts read. */
const ownFolders = ['bin', 'dist', 'harness', 'services', 'fixtures', 'nix']

/** The system of a guest: programs of this machine, and Node. `path`: folders of PATH. Libraries come with `withLibraries`. */
export function systemOf(path: readonly string[]): GuestFiles {
  const files: GuestFiles = new Map()
  for (const name of programs) [...path, ...administratorFolders].some((folder) => takeFile(files, join(folder, name)))
  for (const file of systemFiles) takeAll(files, file)
  // What compiles queries while they run brings a whole compiler with it.
  for (const folder of programFolders) takeAll(files, folder, (name) => !/^(llvmjit.*|bitcode)$/.test(name))
  takeFile(files, process.execPath)
  takeNode(files, path)
  return files
}

/** `node` of PATH is the Node that this process runs on: another one would take as much room again. */
function takeNode(files: GuestFiles, path: readonly string[]): void {
  const node = path.map((folder) => join(folder, 'node')).find(exists)
  if (node !== undefined && node !== process.execPath && !files.has(node)) files.set(node, { link: process.execPath })
}

/** Holdfast itself: sources in the repository, compiled files in the package; tests are of no use there. */
export function holdfastFiles(): GuestFiles {
  const files: GuestFiles = new Map()
  const isSource = import.meta.url.endsWith('.ts')
  const root = fileURLToPath(new URL(isSource ? '../../..' : '../../../..', import.meta.url)).replace(/\/$/, '')
  takeFile(files, join(root, 'package.json'))
  for (const folder of ownFolders) takeAll(files, join(root, folder), (name) => !/\.(test|soak|scenario)\./.test(name))
  takePackages(files, root)
  return files
}

/** The packages that one depends on at run time, and theirs. */
function takePackages(files: GuestFiles, root: string, seen = new Set<string>()): void {
  const { dependencies, optionalDependencies } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  ) as Dependent
  const require = createRequire(join(root, 'package.json'))
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
    // Types are for whoever compiles.
    if (name.startsWith('@types/')) continue
    const places = (require.resolve.paths(name) ?? []).map((folder) => join(folder, name))
    const place = places.find((folder) => exists(join(folder, 'package.json')))
    if (place === undefined || seen.has(place)) continue
    seen.add(place)
    takeAll(files, place, (file) => file !== 'node_modules' && !/\.(map|[cm]?ts|md|test\.js)$/.test(file))
    takePackages(files, place, seen)
  }
}

interface Dependent {
  dependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
}

/** The libraries of all programs and libraries among these files. */
export async function librariesOf(files: GuestFiles): Promise<GuestFiles> {
  const binaries = [...files].flatMap(([path, entry]) => ('file' in entry && isBinary(path) ? [path] : []))
  const found: GuestFiles = new Map()
  if (binaries.length === 0) return found
  // It complains of those that are linked statically, and lists the others.
  const { stdout } = await run('ldd', binaries, { maxBuffer: 64 * 1_048_576 }).catch((cause: { stdout?: string }) => ({
    stdout: cause.stdout ?? '',
  }))
  const libraries = [...stdout.matchAll(/(?:=>\s*|^\s+)(\/\S+) \(0x/gm)].map(([, path]) => path as string)
  // One that is found from where its user lies is told so: bin/../lib/it.
  for (const library of new Set(libraries)) takeFile(found, join(library))
  return found
}

function isBinary(path: string): boolean {
  const file = openSync(path, 'r')
  try {
    const head = Buffer.alloc(4)
    return readSync(file, head, 0, 4, 0) === 4 && head.toString('latin1') === '\x7fELF'
  } finally {
    closeSync(file)
  }
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}

/** A file or folder with all that is in it, as far as its name is wanted. */
export function takeAll(files: GuestFiles, path: string, wanted: (name: string) => boolean = () => true): void {
  if (!takeFile(files, path) || !statSync(path).isDirectory()) return
  const walk = (folder: string) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const at = join(folder, entry.name)
      if (!wanted(entry.name)) continue
      if (entry.isDirectory()) walk(at)
      else if (entry.isFile()) files.set(at, { file: at })
      else if (entry.isSymbolicLink()) takeFile(files, at)
    }
  }
  walk(realpathSync(path))
}

/** One file, with the links that lead to it and to its folders. Whether it is there; of a folder, only the links are taken. */
export function takeFile(files: GuestFiles, path: string): boolean {
  if (!exists(path)) return false
  const real = realpathSync(path)
  for (let place = path; place !== real; ) {
    const { at, link, leads } = nextLink(place)
    files.set(at, { link })
    place = leads
  }
  if (statSync(real).isFile()) files.set(real, { file: real })
  return true
}

/** The first link on the way to a path that has one. */
function nextLink(path: string): { at: string; link: string; leads: string } {
  const names = path.split('/').slice(1)
  const places = names.map((_, index) => `/${names.slice(0, index + 1).join('/')}`)
  const at = places.find((place) => lstatSync(place).isSymbolicLink()) as string
  const link = readlinkSync(at)
  const rest = names.slice(at.split('/').length - 1)
  return { at, link, leads: join(link.startsWith('/') ? link : join(dirname(at), link), ...rest) }
}

/** The folder of the package that a script belongs to, if it belongs to one. */
export function packageOf(script: string): string | undefined {
  for (let folder = dirname(script); folder !== dirname(folder); folder = dirname(folder)) {
    if (basename(dirname(folder)) === 'node_modules' || exists(join(folder, 'package.json'))) return folder
  }
  return undefined
}
