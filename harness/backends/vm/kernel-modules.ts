import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { HoldfastError } from '../../errors.ts'

const run = promisify(execFile)

/** What a guest needs of its kernel, and that may lie beside it as modules. What stands first is loaded first. */
const NEEDED = ['virtio_pci', 'virtio_blk', 'virtio_net', 'virtio_console', 'virtio_rng', 'ext4', 'overlay']

export interface KernelModule {
  readonly name: string
  /** As the kernel takes it, however it is packed on the disk. */
  readonly content: Buffer
}

/** A kernel that lacks what a guest needs. Code `HOLDFAST_VM_KERNEL`. */
export class KernelUnfit extends HoldfastError {
  constructor(why: string) {
    super(
      'HOLDFAST_VM_KERNEL',
      `${why}; Debian: apt-get download linux-image-cloud-amd64 has one that fits, see HOLDFAST_VM_KERNEL`,
    )
  }
}

/**
 * The modules of a kernel that a guest loads, in that order: what each depends on stands before it. What is built in needs none. No list
 * of dependencies is read, for whoever only unpacked a kernel has none: each module says itself what it takes.
 *
 * @param folder of modules: `/lib/modules/<version>`
 */
export async function neededModules(folder: string): Promise<KernelModule[]> {
  const files = new Map<string, string>()
  for (const entry of await readdir(join(folder, 'kernel'), { recursive: true })) {
    const [, name] = /([^/]+)\.ko(\.(gz|xz|zst))?$/.exec(entry) ?? []
    if (name !== undefined) files.set(nameOf(name), join(folder, 'kernel', entry))
  }
  const builtIn = await readFile(join(folder, 'modules.builtin'), 'utf8').catch(() => '')
  const isBuiltIn = new Set(builtIn.split('\n').map((line) => nameOf(basename(line, '.ko'))))
  const ordered = new Map<string, KernelModule>()
  const add = async (name: string): Promise<void> => {
    if (ordered.has(name) || isBuiltIn.has(name)) return
    const file = files.get(name)
    if (file === undefined) throw new KernelUnfit(`${folder} has no module ${name}`)
    const content = await unpacked(file)
    for (const other of dependenciesOf(content)) await add(other)
    ordered.set(name, { name, content })
  }
  for (const name of NEEDED) await add(name)
  return [...ordered.values()]
}

/** A dash in a file's name is an underscore in that of the module. */
function nameOf(file: string): string {
  return file.replaceAll('-', '_')
}

/** As a module says it in its section `.modinfo`. */
export function dependenciesOf(module: Buffer): string[] {
  const mark = '\0depends='
  const at = module.indexOf(mark, 0, 'latin1')
  if (at < 0) return []
  const start = at + mark.length
  return module.toString('latin1', start, module.indexOf(0, start)).split(',').filter(Boolean).map(nameOf)
}

async function unpacked(file: string): Promise<Buffer> {
  const content = await readFile(file)
  if (file.endsWith('.gz')) return gunzipSync(content)
  if (file.endsWith('.zst')) return zstdDecompressSync(content)
  if (!file.endsWith('.xz')) return content
  const { stdout } = await run('xz', ['-dc', file], { encoding: 'buffer', maxBuffer: 64 * 1_048_576 })
  return stdout
}
