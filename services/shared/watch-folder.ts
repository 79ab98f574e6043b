import { type FSWatcher, watch } from 'node:fs'

/**
 * Hears of what happens in a folder, as long as the system tells it: undefined where the folder is not there or no watches are left, and
 * silent once the folder is gone. So whoever relies on it looks for himself as well, only not as often. Keeps no process alive.
 */
export function watchFolder(folder: string, onEvent: (name: string | null) => void): FSWatcher | undefined {
  try {
    const watcher = watch(folder, { persistent: false }, (_, name) => onEvent(name))
    return watcher.on('error', () => watcher.close())
  } catch {
    return undefined
  }
}
