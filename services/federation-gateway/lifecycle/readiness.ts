import type { CrlKeeper } from '../certificates/crl-keeper.ts'
import type { Session } from '../storage/database.ts'
import { sql } from '../storage/statement.ts'
import { StoreUnavailable } from '../storage/unavailable.ts'

/** Why the gateway is not ready, as `/readyz` says it; undefined: it is. */
export function readinessOf(
  { database }: { readonly database: Session },
  federating?: { readonly keeper: Pick<CrlKeeper, 'problem'>; readonly listener: { readonly isOpen: boolean } },
): () => Promise<string | undefined> {
  return async () => {
    const problem = federating?.keeper.problem
    if (problem !== undefined) return problem
    if (federating?.listener.isOpen === false) return 'federation_closed'
    try {
      await database.query(sql`SELECT 1`)
      return undefined
    } catch (failure) {
      if (failure instanceof StoreUnavailable) return failure.code
      throw failure
    }
  }
}
