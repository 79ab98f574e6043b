import { LAST_WORDS, meaning, type Reason } from './table.ts'

/** The broker writes the same words once a second at most, whomever it tells them, and looks once a second which of them are old. */
const unwrittenMs = 2_000

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

  /** What somebody in an account was told whose connection ended, where it was written of another. */
  unwritten(ended: string, account: string | undefined, at: number): Reason | undefined {
    const recent = this.#since(at)
    // Nobody in it stays: who closed the connection himself had heard so.
    const ofAll = recent.find((one) => one.reason === 'nats_account_expired' && one.account === account)
    const said = ofAll ?? (ended === 'Authentication Expired' ? recent.at(-1) : undefined)
    return said?.reason
  }

  #since(at: number) {
    return this.#recent.filter((one) => at - one.at <= unwrittenMs)
  }
}
