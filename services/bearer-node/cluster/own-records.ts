import { StorageUnavailable } from '../../shared/sqlite.ts'
import type { Health } from '../health.ts'
import { publicRun, type RunRecord } from './run-record.ts'
import type { Store } from './store.ts'

export interface OwnRecordsParts {
  readonly store: Store
  readonly health: Pick<Health, 'raise' | 'clear'>
  /** What people may see of a run has changed. */
  onRun(run: ReturnType<typeof publicRun>): void
}

/** The records of this node: written here, and told to who listens. */
export class OwnRecords {
  readonly #parts: OwnRecordsParts
  /** What was told of runs that have not ended. */
  readonly #told = new Map<string, string>()
  #isFailing = false

  constructor(parts: OwnRecordsParts) {
    this.#parts = parts
  }

  get store(): Store {
    return this.#parts.store
  }

  /** On the disk when this returns true. */
  put(records: readonly RunRecord[]): boolean {
    const { store } = this.#parts
    if (!this.writes(() => store.putRuns(records))) return false
    for (const { id } of records) this.#tell(store.run(id))
    return true
  }

  drop(ids: readonly string[]): boolean {
    for (const id of ids) this.#told.delete(id)
    return this.writes(() => this.#parts.store.dropRuns(ids))
  }

  /** Whether what `work` writes is on the disk; a disk that takes no writes is a fault of this node, and shown as one. */
  writes(work: () => void): boolean {
    try {
      work()
      this.#is(false)
      return true
    } catch (failure) {
      if (!(failure instanceof StorageUnavailable)) throw failure
      this.#is(true)
      return false
    }
  }

  /** Whether a disk that took no writes takes them again: nobody may write for long. */
  probe(): void {
    if (this.#isFailing && this.#parts.store.isWritable()) this.#is(false)
  }

  #is(failing: boolean): void {
    if (failing === this.#isFailing) return
    this.#isFailing = failing
    this.#parts.health[failing ? 'raise' : 'clear']('storage_unavailable')
  }

  #tell(record: RunRecord | undefined): void {
    if (record === undefined) return
    const { epoch: _, ...run } = publicRun(record)
    const text = JSON.stringify(run)
    if (this.#told.get(record.id) === text) return
    if (record.settled) this.#told.delete(record.id)
    else this.#told.set(record.id, text)
    this.#parts.onRun(publicRun(record))
  }
}
