import { redact } from '../credentials/secrets.ts'
import { HoldfastError } from '../errors.ts'
import { effectsText, receivedText } from './judge.ts'
import { markJudged } from './judging.ts'
import type { Judged } from './known-differences.ts'
import type { Verdict } from './verdict.ts'

/** What a reader needs to see why: what was presented, what of it binds it, the decision, the first difference. */
export function explanation(verdict: Verdict): string[] {
  const { credential, from, to, action } = verdict
  return [
    `call      ${from} -> ${to} ${action} with ${credential.label}`,
    ...[...verdict.live.values()].flatMap((kind) => kind.explanation(credential[kind.part])),
    verdict.shown === undefined ? `decision  ${decisionText(verdict)}` : `proof     ${proofText(verdict)}`,
    `differs   ${firstMismatch(verdict) ?? 'presented, bound and proven agree'}`,
  ]
}

/** Everything about the calls of one test, as a page for people. */
export function failureSummary(test: string, failures: readonly string[], verdicts: readonly Verdict[]): string {
  const calls = verdicts.flatMap((verdict, at) => [
    `## Call ${at + 1}: ${receivedText(verdict)}`,
    '',
    '```text',
    ...explanation(verdict),
    `control   ${controlText(verdict)}`,
    `effects   ${effectsText(verdict.effects)}`,
    `took      ${Math.round(verdict.ms)} ms`,
    `answer    ${redact(verdict.body).slice(0, 500) || '(no body)'}`,
    '```',
    '',
    '```json',
    JSON.stringify(verdict.decisions, null, 2),
    '```',
    '',
  ])
  const why = failures.flatMap((failure) => ['```text', failure, '```', ''])
  return redact([`# ${test}`, '', ...why, ...calls].join('\n'))
}

/** The first place in which what was presented, what it is bound to and what the far end proved differ: what stands on others first. */
export function firstMismatch(verdict: Verdict): string | undefined {
  const { decision, status, to } = verdict
  for (const kind of [...verdict.live.values()].reverse()) {
    const found = kind.mismatch?.(verdict)
    if (found !== undefined) return found
  }
  const told = decision?.status ?? null
  return told === null || status === null || told === status
    ? undefined
    : `the caller got ${status}, ${to} says ${told}`
}

function controlText({ control }: Verdict): string {
  if (control === undefined) return 'none'
  const state = control.accepted ? 'accepted' : `not accepted: ${control.problems.join('; ')}`
  return `${control.credential} (differs: ${control.element}), ${state}`
}

/** `status alone; effects not observed`: what a verdict rests on, where that is less than a decision record. */
function proofText({ proof, effects, shown }: Pick<Verdict, 'proof' | 'effects' | 'shown'>): string {
  const isUnseen = effects.unobservable !== undefined
  const own = shown?.answers === undefined ? '' : '; answers of its own'
  return `${proof}${isUnseen ? '; effects not observed' : ''}${own}`
}

function decisionText({ decision, to, conn }: Verdict): string {
  if (decision === undefined) return `${to} has no record of ${conn}`
  const { verdict, layer, status, error, guard, reason, principal } = decision
  const why = guard === null ? '' : `, ${guard}: ${reason}`
  const proven = Object.entries(principal).map(([name, value]) => `${name} ${value}`)
  return `${[verdict, layer, status, error].filter((part) => part !== null).join(' ')}${why}; proven ${proven.join(', ') || 'nothing'}`
}

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
        `    or derive the attack from a credential that is accepted: ${right}.over(…), .withToken(…), .withoutCertificate()${found}\n${explanation(
          verdict,
        )
          .map((line) => `    ${line}`)
          .join('\n')}`,
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

/** Fails a test, in the way that is given, where anything speaks against what was expected of a call. */
export function demandJudged(verdict: Verdict, { expected, problems }: Judged, fail: (text: string) => Error): void {
  markJudged(verdict)
  if (problems.length > 0) throw fail(failureText(expected, verdict, problems))
}

export type ToldCall = ReturnType<typeof toldCall>

/** One call of a test as its verdict tells it: plain JSON, so that the command line hears of it. */
export function toldCall(call: Verdict) {
  const { from, to, action, verdict, layer, status, error, reason, guard, control } = call
  return {
    ...{ from, to, action, credential: call.credential.label, verdict, layer, status, error, reason, guard },
    /** What it rests on, where that is less than a decision record: `status alone; effects not observed`. */
    ...(call.shown && { weakerProof: proofText(call) }),
    ...(control && {
      control: { credential: control.credential, element: control.element, accepted: control.accepted },
    }),
  }
}
