import { guard } from '../../shared/guard.ts'
import { failureFields } from '../../shared/log.ts'
import type { TokenFiles } from '../token/file.ts'
import type { Judged } from './refused-start.ts'

/** Token files that are read anew; `files` is set once they are good. */
export interface Reloading extends Judged {
  read(): Promise<TokenFiles>
  files?: TokenFiles
}

/** What a start refuses is refused here, too; what was good stays in force. */
export const bearerReload = guard<Reloading>('bearer.reload', ['reload_refused'], async (reloading) => {
  try {
    reloading.files = await reloading.read()
    return undefined
  } catch (failure) {
    reloading.mistake = failureFields(failure).message
    return { reason: 'reload_refused', status: null }
  }
})
