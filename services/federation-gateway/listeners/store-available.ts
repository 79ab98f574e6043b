import { guard } from '../../shared/guard.ts'
import type { Patience } from '../storage/patience.ts'
import { StoreUnavailable } from '../storage/unavailable.ts'
import { refused } from '../wire/errors.ts'
import { Refused } from './exchange.ts'

/** What the database says of a request, on its way; `found` is set when it did. */
export interface Lookup<Found = unknown> {
  readonly look: () => Promise<Found>
  readonly patience: Patience
  found?: Found
}

const RETRY_SECONDS = 5
const unavailable = () => refused('dependency_unavailable', 'database_unavailable', RETRY_SECONDS)

/** Nothing that was known before counts: a database that says nothing in time is no answer. */
export const storeAvailable = guard<Lookup>('store.available', ['database_unavailable'], async (lookup) => {
  const late = Symbol()
  let timer: NodeJS.Timeout | undefined
  const waiting = new Promise<typeof late>((resolve) => {
    timer = setTimeout(resolve, lookup.patience.leftMs, late)
  })
  try {
    const found = await lookup.patience.during(() => Promise.race([lookup.look(), waiting]))
    if (found === late) return unavailable()
    lookup.found = found
    return undefined
  } catch (failure) {
    if (failure instanceof StoreUnavailable) return unavailable()
    throw failure
  } finally {
    clearTimeout(timer)
  }
})

/** A database that is lost on the way is 503 as one that was from the beginning. @throws Refused */
export async function askStore<Value>(act: () => Value | Promise<Value>): Promise<Value> {
  try {
    return await act()
  } catch (failure) {
    if (failure instanceof StoreUnavailable) throw new Refused(storeAvailable.id, unavailable())
    throw failure
  }
}
