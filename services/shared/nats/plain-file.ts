import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from 'node:fs'
import { LARGEST_FILE_BYTES } from './manifest.ts'

/** What was found at a path, opened once: what was judged is what is used. */
export interface Opened {
  readonly file: PlainFile | undefined
  /** Why it cannot be opened: `ENOENT`, `ELOOP`, `EACCES`, … */
  readonly problem?: string
}

export interface PlainFile {
  readonly stats: Stats
  /** Undefined: no plain file, or too large to be one of ours. */
  readonly text: string | undefined
}

/** Never through a link, and never waiting for whoever writes to a pipe. */
export function openPlain(path: string): Opened {
  let handle: number
  try {
    handle = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (failure) {
    return { file: undefined, problem: String((failure as NodeJS.ErrnoException).code) }
  }
  try {
    const stats = fstatSync(handle)
    const isOurs = stats.isFile() && stats.size <= LARGEST_FILE_BYTES
    return { file: { stats, text: isOurs ? readFileSync(handle, 'utf8') : undefined } }
  } finally {
    closeSync(handle)
  }
}

/** What can be read of a plain file. */
export function textOf(path: string): string | undefined {
  return openPlain(path).file?.text
}

/** Undefined for what is no JSON. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
