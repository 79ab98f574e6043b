import { expect } from 'vitest'
import { HoldfastError } from '../errors.ts'
import { controlText, explanation } from '../site/evidence-text.ts'
import { acceptanceProblems, type ExpectedRefusal, expectedText, receivedText, refusalProblems } from '../site/judge.ts'
import type { Verdict } from '../site/verdict.ts'
import { markJudged } from './judging.ts'

/** A refusal without a positive control proves nothing: a node that refuses everyone answers the same. */
export class NoPositiveControl extends HoldfastError {
  constructor(verdict: Verdict) {
    const { from, to, action, control, credential } = verdict
    const right = rightName(verdict)
    const found = control === undefined ? '' : `\n    control   ${controlText(verdict)}`
    super(
      'HOLDFAST_NO_POSITIVE_CONTROL',
      `the refusal of "${credential.label}" has no positive control: before it, this test must show an accepted call of the same from, to and action that differs in one element only: ` +
        `certificate, token, whole credential, headers, path, method, body, listener, or the state of the site.\n` +
        `    write     expect(await site.call('${from}', '${to}', '${action}', ${right})).toBeAccepted()\n` +
        `    or derive the attack from a credential that is accepted: ${right}.over(…), .withToken(…), .withoutCertificate()${found}\n${lines(explanation(verdict))}`,
    )
  }
}

/** How a test would write the credential that is accepted there, as far as the plan knows one. */
function rightName({ from, accepts }: Verdict): string {
  const own = accepts.find(({ holder }) => holder === from) ?? accepts[0]
  return own === undefined ? '<a credential that is accepted>' : `credential('${own.credential}')`
}

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

interface ScenarioMatchers<R> {
  /** The caller got what the action promises, and the far end's own record says so, with the certificate that was presented. */
  toBeAccepted(): R
  /**
   * Refused exactly so, with the reason that the far end wrote down; beside a positive control, without any effect, without a secret
   * in what the target wrote, and without a hint for an attacker in the answer.
   */
  toBeRefused(expected: ExpectedRefusal): R
}

declare module 'vitest' {
  interface Matchers<R extends void | Promise<void> = void | Promise<void>, T = unknown> extends ScenarioMatchers<R> {}
}

expect.extend({
  toBeAccepted(received: Verdict) {
    demandVerdict('toBeAccepted()', received, this.isNot)
    const problems = acceptanceProblems(received)
    return { pass: problems.length === 0, message: () => failureText('accepted', received, problems) }
  },
  toBeRefused(received: Verdict, expected: ExpectedRefusal) {
    demandVerdict('toBeRefused({ … })', received, this.isNot)
    const problems = refusalProblems(received, expected)
    const pass = problems.length === 0
    // Whoever got in is told first; a missing control matters only once the refusal itself is right.
    if (pass && !received.control?.accepted) throw new NoPositiveControl(received)
    return { pass, message: () => failureText(expectedText(expected), received, problems) }
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

/** What a failed check says: expected, received, each difference, what was presented and decided, evidence, how to run it again. */
export function failureText(expected: string, verdict: Verdict, problems: readonly string[]): string {
  const received = receivedText(verdict)
  return [
    `${verdict.from} -> ${verdict.to} ${verdict.action} with ${verdict.credential.label}`,
    ...[
      `expected  ${expected}`,
      `received  ${expected.startsWith(`${received}, within`) ? 'as expected, but for what follows' : received}`,
      ...problems.map((problem, at) => `${at === 0 ? 'because   ' : '          '}${problem}`),
      ...explanation(verdict).slice(1),
      `evidence  ${verdict.evidence}`,
      `again     ${verdict.again}`,
    ].map((line) => `    ${line}`),
  ].join('\n')
}

function lines(texts: readonly string[]): string {
  return texts.map((line) => `    ${line}`).join('\n')
}
