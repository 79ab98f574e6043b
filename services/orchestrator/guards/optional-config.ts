import { type Stats, statSync } from 'node:fs'
import { guard } from '../../shared/guard.ts'

/** A file that is for a program beside this one: it must be there, and a secret. */
export interface OptionalConfigContext {
  readonly key: string
  readonly path: string
  readonly uid: number
  found?: string
}

/** Whoever starts the other program finds out late, so that it is looked at here. */
export const optionalConfig = guard<OptionalConfigContext>(
  'optional-config',
  ['config_file_missing', 'config_file_mode', 'config_file_empty'],
  (context) => {
    const { key, path, uid } = context
    const refused = (reason: string, found: string) => {
      context.found = `${key} ${path} ${found}`
      return { reason, status: null }
    }
    const stats: Stats | undefined = statSync(path, { throwIfNoEntry: false })
    if (stats === undefined || !stats.isFile()) return refused('config_file_missing', 'is not there; put it there')
    if ((stats.mode & 0o7777) !== 0o600 || stats.uid !== uid) {
      return refused('config_file_mode', 'must be 0600 and ours; chown and chmod it')
    }
    return stats.size === 0 ? refused('config_file_empty', 'is empty; fill it') : undefined
  },
)
