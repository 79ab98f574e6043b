import { expect } from 'vitest'
import { HoldfastError } from '../errors.ts'
import { failureText, NoPositiveControl } from '../site/evidence-text.ts'
import { hopAtFault } from '../site/hop-at-fault.ts'
import { acceptanceProblems, type ExpectedRefusal, expectedText, refusalProblems } from '../site/judge.ts'
import { markJudged } from '../site/judging.ts'
import type { Verdict } from '../site/verdict.ts'

/** Whatever goes wrong would satisfy it: a typing error, a node that is down. */
export class NegatedMatcher extends HoldfastError {
  constructor(matcher: string) {
    super(
      'HOLDFAST_NEGATED_MATCHER',
      `expect(…).not.${matcher} holds for every mistake there is; say what must happen: toBeAccepted() or toBeRefused({ … })`,
    )
  }
}

/** What is expected of is no verdict: mostly the promise of one, which would be judged when the test is over. */
export class NoVerdict extends HoldfastError {
  constructor(matcher: string, received: unknown) {
    const isPromise = typeof (received as PromiseLike<unknown> | undefined)?.then === 'function'
    const what = isPromise
      ? 'this is a promise'
      : `this is no verdict, but ${received === null ? 'null' : typeof received}`
    super('HOLDFAST_NO_VERDICT', `${what}: write expect(await site.call(…)).${matcher}`)
  }
}

declare module 'vitest' {
  interface Matchers<R extends void | Promise<void> = void | Promise<void>, T = unknown> {
    /** The caller got what the action promises, and the far end's own record says so, with the certificate that was presented. */
    toBeAccepted(): R
    /**
     * Refused exactly so, with the reason that the far end wrote down; beside a positive control, without any effect, without a secret
     * in what the target wrote, and without a hint for an attacker in the answer.
     */
    toBeRefused(expected: ExpectedRefusal): R
  }
}

expect.extend({
  toBeAccepted(received: Verdict) {
    demandVerdict('toBeAccepted()', received, this.isNot)
    const problems = acceptanceProblems(received)
    markJudged(received, { expected: 'accepted', problems })
    return {
      pass: problems.length === 0,
      message: () => failureText('accepted', received, problems, hopAtFault(received)),
    }
  },
  toBeRefused(received: Verdict, expected: ExpectedRefusal) {
    demandVerdict('toBeRefused({ … })', received, this.isNot)
    const problems = refusalProblems(received, expected)
    const pass = problems.length === 0
    markJudged(received, { expected: expectedText(expected, received), problems, reason: expected.reason })
    // Whoever got in is told first; a missing control matters only once the refusal itself is right.
    if (pass && !received.control?.accepted) throw new NoPositiveControl(received)
    return { pass, message: () => failureText(expectedText(expected, received), received, problems) }
  },
})

function demandVerdict(matcher: string, received: unknown, isNot: boolean): void {
  if (isNot) throw new NegatedMatcher(matcher)
  if (typeof received !== 'object' || received === null || !('decisions' in received)) {
    // The call goes on, and nobody else hears how it ends.
    if (received instanceof Promise) received.catch(() => {})
    throw new NoVerdict(matcher, received)
  }
  markJudged(received as Verdict)
}
