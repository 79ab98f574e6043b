import { guard } from '../../shared/guard.ts'
import { StorageUnavailable } from '../../shared/sqlite.ts'

/** What could not be kept is not answered: fail closed, and say that it may work later. */
export const storageWrite = guard<{ failure: unknown }>('storage.write', ['storage_unavailable'], ({ failure }) =>
  failure instanceof StorageUnavailable
    ? { reason: 'storage_unavailable', status: 503, error: 'storage_unavailable', retryAfter: 5 }
    : undefined,
)
