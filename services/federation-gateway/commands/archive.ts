import { SetupError } from '../../shared/setup-error.ts'
import type { Configuration } from '../config.ts'
import { archiveAudit, countOld } from '../storage/audit/archive.ts'
import { longJob } from './long-job.ts'
import { asRole } from './owner.ts'

/** Moves rows of the audit that are older. */
export function runArchive(configuration: Configuration, before: Date): Promise<{ readonly moved: number }> {
  return asRole(configuration, 'gateway_archiver', async (database) => {
    const total = await countOld(database, before)
    const moved = await longJob({ name: 'audit archive', unit: 'rows', total }, (done) =>
      archiveAudit(database, before, done),
    )
    if (moved !== undefined) return { moved }
    throw new SetupError('archive_busy', 'somebody else archives at the moment; wait for them, or run this again later')
  })
}
