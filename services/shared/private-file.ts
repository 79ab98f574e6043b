import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { StartFailure } from './start-failure.ts'

/**
 * Reads a file that is for its user alone. `called`: as a message calls it, with its path.
 *
 * @throws StartFailure (`config_invalid`), without a word of what is in it
 */
export function readPrivateFile(path: string, called: string): string {
  const handle = opened(path, called)
  try {
    demandPrivate(handle, called)
    return readFileSync(handle, 'utf8')
  } catch (cause) {
    throw cause instanceof StartFailure ? cause : unreadable(called, cause)
  } finally {
    closeSync(handle)
  }
}

/** Of the file itself, whatever its path leads to by now: group and others have no right to it. @throws StartFailure */
export function demandPrivate(handle: number, called: string): void {
  if ((fstatSync(handle).mode & 0o077) === 0) return
  throw new StartFailure('config_invalid', `${called} can be read by others; make it 0600`)
}

function opened(path: string, called: string): number {
  try {
    return openSync(path, 'r')
  } catch (cause) {
    throw unreadable(called, cause)
  }
}

function unreadable(called: string, cause: unknown): StartFailure {
  const { code } = cause as NodeJS.ErrnoException
  return new StartFailure('config_invalid', `${called} cannot be read (${code}); name a readable file`, { cause })
}
