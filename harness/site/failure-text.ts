import { HoldfastError } from '../errors.ts'
import { controlText, explanation } from './evidence-text.ts'
import { receivedText } from './judge.ts'
import type { Verdict } from './verdict.ts'

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
  const own = accepts.find(({ caller }) => caller === from) ?? accepts[0]
  return own === undefined ? '<a credential that is accepted>' : `credential('${own.credential}')`
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
