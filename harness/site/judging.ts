import { HoldfastError } from '../errors.ts'
import type { Judged } from './known-differences.ts'
import { isProbing } from './until.ts'
import type { Verdict } from './verdict.ts'

/** A test that is green whatever happens on its site. Code `HOLDFAST_NOTHING_JUDGED`. */
export class NothingJudged extends HoldfastError {
  constructor(problem: string, wayOut: string) {
    super('HOLDFAST_NOTHING_JUDGED', `this test cannot fail: ${problem}; ${wayOut}`)
  }
}

const judged = new WeakMap<Verdict, Judged | undefined>()

/** Remembers that somebody asked what became of this call, and would have failed; and what speaks against it. */
export function markJudged(verdict: Verdict, how?: Judged): void {
  judged.set(verdict, how)
}

export function judgedAs(verdict: Verdict): Judged | undefined {
  return judged.get(verdict)
}

/** The calls that one test made by itself, so that none of them goes unjudged. */
export class Judging {
  readonly #verdicts: Verdict[] = []
  #pending = 0

  /** Watches a call. What is called while something is waited for is judged by the waiting. */
  async watch(call: Promise<Verdict>): Promise<Verdict> {
    const isProbe = isProbing()
    this.#pending += 1
    const verdict = await call.finally(() => {
      this.#pending -= 1
    })
    if (!isProbe) this.#verdicts.push(verdict)
    return verdict
  }

  /** @throws NothingJudged */
  demand(assertions: number): void {
    const way = 'write expect(await site.call(…)).toBeAccepted() or .toBeRefused({ … })'
    if (this.#pending > 0)
      throw new NothingJudged('it ended before a call of its own', 'write await before site.call(…)')
    const unjudged = this.#verdicts.find((verdict) => !judged.has(verdict))
    if (unjudged !== undefined) {
      const { from, to, action, credential } = unjudged
      throw new NothingJudged(`nothing judges ${from} -> ${to} ${action} with ${credential.label}`, way)
    }
    if (this.#verdicts.length === 0 && assertions === 0) throw new NothingJudged('it expects nothing', way)
  }
}
