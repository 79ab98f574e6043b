import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { SetupError } from '../../shared/setup-error.ts'
import { syncFolder } from '../../shared/sync-folder.ts'
import { refOf } from '../token/ref.ts'
import { newToken } from '../token/token-text.ts'

/** Makes a token. Without a file it is the answer, as text; with one, the answer tells by which ref people may call it. @throws SetupError */
export async function runNewToken(file: string | undefined): Promise<string | { file: string; ref: string }> {
  const token = newToken()
  if (file === undefined) return token
  writeNew(file, `${token}\n`)
  return { file, ref: refOf(token) }
}

/** For its owner alone from the first moment, and on disk when this returns. */
function writeNew(path: string, text: string): void {
  const handle = openNew(path)
  try {
    writeSync(handle, text)
    fsyncSync(handle)
  } catch (failure) {
    rmSync(path, { force: true })
    throw failure
  } finally {
    closeSync(handle)
  }
  syncFolder(dirname(path))
}

function openNew(path: string): number {
  try {
    return openSync(path, 'wx', 0o600)
  } catch (failure) {
    if ((failure as NodeJS.ErrnoException).code !== 'EEXIST') throw failure
    throw new SetupError(
      'token_file_exists',
      `${path} is there already, and a node may use it; name another file by --out`,
    )
  }
}
