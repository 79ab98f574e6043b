import { redact } from '../credentials/secrets.ts'
import type { DecisionRecord } from '../evidence/decision.ts'
import { effectsText, receivedText } from './judge.ts'
import type { Verdict } from './verdict.ts'

/** What a reader needs to see why: what was presented, what of it binds it, the decision, the first difference. */
export function explanation(verdict: Verdict): string[] {
  const { credential, from, to, action } = verdict
  return [
    `call      ${from} -> ${to} ${action} with ${credential.label}`,
    ...[...verdict.live.values()].flatMap((kind) => kind.explanation(credential[kind.part])),
    `${verdict.shown === undefined ? `decision  ${recordText(verdict)}` : `proof     ${proofText(verdict)}`}`,
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
  if (decision !== undefined && decision.status !== null && status !== null && decision.status !== status) {
    return `the caller got ${status}, ${to} says ${decision.status}`
  }
  return undefined
}

export function controlText({ control }: Verdict): string {
  if (control === undefined) return 'none'
  const state = control.accepted ? 'accepted' : `not accepted: ${control.problems.join('; ')}`
  return `${control.credential} (differs: ${control.element}), ${state}`
}

function recordText({ decision, to, conn }: Verdict): string {
  return decision === undefined ? `${to} has no record of ${conn}` : decisionText(decision)
}

/** `status alone; effects not observed`: what a verdict rests on, where that is less than a decision record. */
export function proofText({ proof, effects, shown }: Pick<Verdict, 'proof' | 'effects' | 'shown'>): string {
  const isUnseen = effects.unobservable !== undefined
  const own = shown?.answers === undefined ? '' : '; answers of its own'
  return `${proof}${isUnseen ? '; effects not observed' : ''}${own}`
}

function decisionText({ verdict, layer, status, error, guard, reason, principal }: DecisionRecord): string {
  const why = guard === null ? '' : `, ${guard}: ${reason}`
  const proven = Object.entries(principal).map(([name, value]) => `${name} ${value}`)
  return `${[verdict, layer, status, error].filter((part) => part !== null).join(' ')}${why}; proven ${proven.join(', ') || 'nothing'}`
}
