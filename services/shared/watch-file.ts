import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { watchFolder } from './watch-folder.ts'

const LOOK_EVERY_MS = 1_000

/**
 * Calls back when another file, or another content, stands at a path. Its folder is watched, for an atomic rename puts a new file there;
 * and the path is looked at every second: a mounted secret is swapped behind a link, a folder is made anew, and a system that has no
 * watches left tells nobody.
 */
export function watchFile(path: string, onChange: () => void): { close(): void } {
  let seen = stateOf(path)
  const look = (): void => {
    const now = stateOf(path)
    if (now === seen) return
    seen = now
    onChange()
  }
  let timer: NodeJS.Timeout | undefined
  const watcher = watchFolder(dirname(path), () => {
    // One write makes several events.
    clearTimeout(timer)
    timer = setTimeout(look, 50)
  })
  const looking = setInterval(look, LOOK_EVERY_MS).unref()
  return {
    close() {
      clearInterval(looking)
      clearTimeout(timer)
      watcher?.close()
    },
  }
}

/** Which file it is, and when anything of it was changed last; of the file behind a link. */
function stateOf(path: string): string {
  try {
    const { dev, ino, ctimeNs, size } = statSync(path, { bigint: true })
    return `${dev} ${ino} ${ctimeNs} ${size}`
  } catch (failure) {
    return String((failure as NodeJS.ErrnoException).code)
  }
}
