import { type FSWatcher, watch } from 'node:fs'
import { basename, dirname } from 'node:path'

/** Calls back when a file was written or replaced. The folder is watched, for an atomic rename puts a new file there. */
export function watchFile(path: string, onChange: () => void): { close(): void } {
  const name = basename(path)
  let timer: NodeJS.Timeout | undefined
  const watcher: FSWatcher = watch(dirname(path), { persistent: false }, (_, changed) => {
    if (changed !== null && changed !== name) return
    // One write makes several events.
    clearTimeout(timer)
    timer = setTimeout(onChange, 50)
  })
  // The folder went away: the token that is held stays in use until it ends.
  watcher.on('error', () => watcher.close())
  return {
    close() {
      clearTimeout(timer)
      watcher.close()
    },
  }
}
