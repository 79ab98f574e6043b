import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

const busy = 5 // SQLITE_BUSY
const askAgainAfterMs = 200

/**
 * Waits until this process alone works in `folder`. SQLite takes a lock of the operating system on a file, so it dies with its
 * process, however that ends, on Linux and macOS alike: nothing has to guess whether a holder still lives. `onWait` is called once,
 * when somebody else holds the lock, with its process id where it is known.
 */
export async function lockFolder(
  folder: string,
  { signal, onWait }: { signal?: AbortSignal; onWait?: (holder: string | undefined) => void } = {},
): Promise<Disposable> {
  await mkdir(folder, { recursive: true })
  const { DatabaseSync } = await import('node:sqlite')
  const database = new DatabaseSync(join(folder, 'lock.sqlite'), { timeout: 0 })
  const holder = join(folder, 'lock.pid')
  try {
    for (let waited = false; !tryLock(database); waited = true) {
      if (!waited) onWait?.(await readFile(holder, 'utf8').catch(() => undefined))
      await wait(askAgainAfterMs, undefined, { signal })
    }
    // For the message to those who wait only, so a full disk does not matter here.
    await writeFile(holder, String(process.pid)).catch(() => undefined)
  } catch (failure) {
    database.close()
    throw failure
  }
  return { [Symbol.dispose]: () => database.close() }
}

/** The same without waiting: undefined where another process works there, or there is no such folder. */
export async function tryLockFolder(folder: string): Promise<Disposable | undefined> {
  if (!existsSync(folder)) return undefined
  const { DatabaseSync } = await import('node:sqlite')
  const database = new DatabaseSync(join(folder, 'lock.sqlite'), { timeout: 0 })
  if (tryLock(database)) return { [Symbol.dispose]: () => database.close() }
  database.close()
  return undefined
}

function tryLock(database: import('node:sqlite').DatabaseSync): boolean {
  try {
    database.exec('BEGIN EXCLUSIVE')
    return true
  } catch (failure) {
    if ((failure as { errcode?: number }).errcode === busy) return false
    throw failure
  }
}
