/** One entry of an archive. Folders above it are entries of their own, and stand before it. */
export interface ArchiveEntry {
  /** Without a slash in front. */
  readonly path: string
  /** Type and permissions, as `stat` has them: `0o100644`, `0o040755`, `0o120777`. */
  readonly mode: number
  /** Of a file; of a link, where it leads. */
  readonly content?: Uint8Array
}

export const fileMode = 0o100000
export const folderMode = 0o040000
export const linkMode = 0o120000

const TRAILER = 'TRAILER!!!'

/**
 * An archive in the form that Linux unpacks as its first root and that every `cpio` reads (newc). All belongs to root, and times are zero:
 * the same entries make the same bytes.
 */
export function archive(entries: readonly ArchiveEntry[]): Buffer {
  const parts: Buffer[] = []
  const add = ({ path, mode, content = Buffer.alloc(0) }: ArchiveEntry, inode: number) => {
    const name = Buffer.from(`${path}\0`)
    const links = (mode & folderMode) === folderMode ? 2 : 1
    // inode, mode, uid, gid, links, time, size, device (2), special device (2), length of the name, checksum
    const fields = [inode, mode, 0, 0, links, 0, content.length, 0, 0, 0, 0, name.length, 0]
    const head = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`
    parts.push(padded(Buffer.concat([Buffer.from(head), name])), padded(Buffer.from(content)))
  }
  for (const [index, entry] of entries.entries()) add(entry, index + 1)
  add({ path: TRAILER, mode: 0 }, 0)
  return Buffer.concat(parts)
}

/** The folders above these paths, each before those below it. */
export function foldersAbove(paths: readonly string[]): string[] {
  const folders = new Set<string>()
  for (const path of paths) {
    const names = path.split('/').slice(0, -1)
    for (const index of names.keys()) folders.add(names.slice(0, index + 1).join('/'))
  }
  return [...folders].sort()
}

function padded(bytes: Buffer): Buffer {
  const rest = bytes.length % 4
  return rest === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(4 - rest)])
}
