import type { Decision, DecisionLog } from '../../shared/decision-log.ts'
import { guard } from '../../shared/guard.ts'
import { failureFields, type Log } from '../../shared/log.ts'
import { refused } from '../wire/errors.ts'

/** The decision log of all listeners: no access without a record. */
export class Records implements DecisionLog {
  readonly #decisions: DecisionLog
  readonly #log: Pick<Log, 'error'>
  #isWritable = true

  constructor(decisions: DecisionLog, log: Pick<Log, 'error'>) {
    this.#decisions = decisions
    this.#log = log
  }

  /** Whether the last record was written. */
  get isWritable(): boolean {
    return this.#isWritable
  }

  /** Throws as the log does. */
  record(decision: Decision): void {
    try {
      this.#decisions.record(decision)
      this.#isWritable = true
    } catch (failure) {
      if (this.#isWritable) this.#log.error('decision-not-recorded', failureFields(failure))
      this.#isWritable = false
      throw failure
    }
  }

  close(): void {
    this.#decisions.close()
  }
}

const RETRY_AFTER_SECONDS = 5

/**
 * Once a record could not be written, nothing is begun that would need one. The refusals of this guard are put on record as well: the first
 * of them that can be ends it.
 */
export const logWritable = guard<{ records: Pick<Records, 'isWritable'> }>(
  'log.writable',
  ['decision_log_unwritable'],
  ({ records }) =>
    records.isWritable ? undefined : refused('dependency_unavailable', 'decision_log_unwritable', RETRY_AFTER_SECONDS),
)
