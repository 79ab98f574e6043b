import { ENDED, LAST_WORDS, meaning, type Reason } from './table.ts'

/**
 * The broker writes the same words once a second at most, whomever it tells them, and looks once a second which of them are old; on a busy
 * machine the end of a connection is written some seconds after its words.
 */
const unwrittenMs = 5_000

/** Why the broker says that it ends connections: it tells everybody, and writes down what it told the first of them. */
export class LastWords {
  #recent: { readonly reason: Reason; readonly account: string | undefined; readonly at: number }[] = []

  /** What the words in a line say, if they are last words; `at`: when they were written, epoch ms. */
  heard(text: string, account: string | undefined, at: number): Reason | undefined {
    const reason = meaning(LAST_WORDS, text)
    if (reason === undefined) return undefined
    this.#recent = [...this.#since(at), { reason, account, at }]
    return reason
  }

  /**
   * What somebody who was in was told, where it was written of another: his connection ended, by the broker or by himself, and nothing
   * was written of it before. Whoever closed it himself is known to have been told where everybody in his account was.
   */
  unwritten(ended: string, account: string | undefined, at: number): Reason | undefined {
    const recent = this.#since(at)
    const isOver = recent.some((one) => one.reason === 'nats_account_expired' && one.account === account)
    const wasHeard = meaning(ENDED, ended) === null
    if (wasHeard) return isOver ? 'nats_account_expired' : undefined
    if (ended !== 'Authentication Expired') return undefined
    // The words that were left out are among those that were written.
    const isOfUsers = recent.some((one) => one.reason === 'nats_jwt_expired')
    const isOfAccounts = recent.some((one) => one.reason === 'nats_account_expired')
    return isOver || (isOfAccounts && !isOfUsers) ? 'nats_account_expired' : undefined
  }

  /** Whether it was written of somebody so lately that it may have been left out of another. */
  mayBeUnwritten(reason: Reason, at: number): boolean {
    return this.#since(at).some((one) => one.reason === reason)
  }

  #since(at: number) {
    return this.#recent.filter((one) => at - one.at <= unwrittenMs)
  }
}
