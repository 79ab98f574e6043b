import { type BigIntStats, statSync } from 'node:fs'
import { stat } from 'node:fs/promises'

const LOOK_MS = 250
/** One write makes several states. */
const SETTLED_MS = 50

/**
 * Resolves once `look` has twice answered the same state that is another than `seen`; what is missing for the moment is waited for.
 * It looks from time to time: the system has few watches for each user, and they miss folders made anew and links to swapped ones.
 */
export async function changed(look: () => Promise<string>, seen: string | undefined): Promise<string> {
  let before: string | undefined
  for (;;) {
    await pause(before === undefined ? LOOK_MS : SETTLED_MS)
    const now = await look().catch(absent)
    if (now !== undefined && now === before) return now
    before = now === seen ? undefined : now
  }
}

/** How long to wait after so many failures in a row. */
export function backOffMs(failures: number): number {
  return Math.min(1_000 * 2 ** failures, 60_000)
}

/** Waits without keeping the agent alive. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref()
  })
}

/** Tells one content of a file from another, as far as that can be told without reading it. Links are followed. */
export async function stateOf(path: string): Promise<string> {
  return textOf(await stat(path, { bigint: true }))
}

export function stateNow(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false })
  return found && textOf(found)
}

function textOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ')
}

function absent(cause: NodeJS.ErrnoException): undefined {
  if (cause.code !== 'ENOENT' && cause.code !== 'ENOTDIR') throw cause
}
