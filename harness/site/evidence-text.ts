import { redact } from '../credentials/secrets.ts'
import { HoldfastError } from '../errors.ts'
import { effectsText, receivedText } from './judge.ts'
import { judgedAs, markJudged } from './judging.ts'
import type { Judged } from './known-differences.ts'
import { isBesideRefusals, type Ledger } from './ledger.ts'
import { type About, differences, firstMismatch, ownWords, shown } from './told-failure.ts'
import type { Verdict } from './verdict.ts'

/** What a reader needs to see why: what was presented, what of it binds it, the decision, the first difference. */
export function explanation(verdict: Verdict): string[] {
  const { credential, from, to, action } = verdict
  return [
    `call      ${from} -> ${to} ${action} with ${credential.label}${throughText(verdict)}`,
    ...[...verdict.live.values()].flatMap((kind) => kind.explanation(credential[kind.part], verdict.shaken)),
    verdict.shown === undefined ? `decision  ${decisionText(verdict)}` : `proof     ${proofText(verdict)}`,
    `differs   ${firstMismatch(verdict) ?? 'presented, bound and proven agree'}`,
  ]
}

function throughText({ hop }: Pick<Verdict, 'hop'>): string {
  return hop === undefined ? '' : `, through ${hop.node}`
}

/** What a page tells beside its calls. */
interface Page {
  readonly test: string
  readonly failures: readonly string[]
  readonly verdicts: readonly Verdict[]
  /** What must hold, and where that is demanded. */
  readonly about?: About
}

/** Everything about the calls of one test, as a page that can be read alone. Secrets of the request are in it until it is redacted by value. */
export function failureSummary({ test, failures, verdicts, about: { title, because, clause } = {} }: Page): string {
  const calls = verdicts.flatMap((verdict, at) => {
    const next = verdicts.slice(at + 1).find(({ to }) => to === verdict.to)
    return callText(verdict, at + 1, next?.log().length ?? 0)
  })
  const what = [
    title === undefined ? [] : `It must hold: ${title}.`,
    because === undefined ? [] : `It must be refused: ${because}.`,
    clause === undefined ? [] : `It is demanded by ${clause}.`,
  ]
  const why = failures.flatMap((failure) => block(failure.split('\n')))
  return redact([`# ${test}`, '', ...what.flat().flatMap((line) => [line, '']), ...why, ...calls].join('\n'))
}

/** `later`: so many of the last lines of the log came with the next call. */
function callText(verdict: Verdict, number: number, later: number): string[] {
  const lines = verdict.log()
  const unlike = differences(verdict, judgedAs(verdict)?.beside ?? verdict.control?.call)
  return [
    ...[`## Call ${number}: ${receivedText(verdict)}`, ''],
    ...block([
      ...explanation(verdict),
      `control   ${controlText(verdict)}`,
      `effects   ${effectsText(verdict.effects)}`,
      `took      ${Math.round(verdict.ms)} ms`,
    ]),
    ...part('Differs from its control', unlike),
    ...part('Sent', shown(verdict.sent)),
    ...part('Came', shown(verdict.came ?? verdict.body)),
    ...part('What the target says of it', ownWords(verdict)),
    ...part('What the target printed', lines.slice(0, Math.max(0, lines.length - later)).slice(-50)),
    ...part(
      'What the target recorded',
      verdict.decisions.map((record) => JSON.stringify(record, null, 2)),
    ),
  ]
}

function part(name: string, lines: readonly string[]): string[] {
  return lines.filter(Boolean).length === 0 ? [] : [`### ${name}`, '', ...block(lines)]
}

/** Whatever stands in the lines does not end it. */
function block(lines: readonly string[]): string[] {
  const fence = lines.some((line) => line.includes('```')) ? '``````' : '```'
  return [`${fence}text`, ...lines, fence, '']
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
export function failureText(expected: string, verdict: Verdict, problems: readonly string[], fault?: string): string {
  const received = receivedText(verdict)
  return [
    `${verdict.from} -> ${verdict.to} ${verdict.action} with ${verdict.credential.label}${throughText(verdict)}`,
    ...[
      `expected  ${expected}`,
      `received  ${expected.startsWith(`${received}, within`) ? 'as expected, but for what follows' : received}`,
      ...(fault === undefined ? [] : [`fault     ${fault}`]),
      ...problems.map((problem, at) => `${at === 0 ? 'because   ' : '          '}${problem}`),
      ...explanation(verdict).slice(1),
      `evidence  ${verdict.evidence}`,
      `again     ${verdict.again}`,
    ].map((line) => `    ${line}`),
  ].join('\n')
}

/** Fails a test, in the way that is given, where anything speaks against what was expected of a call. */
export function demandJudged(verdict: Verdict, judged: Judged, fail: (text: string) => Error): void {
  const { expected, problems, fault } = judged
  markJudged(verdict, judged)
  if (problems.length > 0) throw fail(failureText(expected, verdict, problems, fault))
}

export type ToldCall = ReturnType<typeof toldCall>

/** How a call stands among those of its test. */
interface Among {
  readonly ledger: Ledger
  /** Number of the wait whose probe made it. */
  readonly wait?: number | undefined
  /** So many calls ended while it was under way. */
  readonly meanwhile: number
}

/** One call of a test as its verdict tells it: plain JSON, so that the command line hears of it. */
export function toldCall(call: Verdict, { ledger, wait, meanwhile }: Among) {
  const { from, to, action, verdict, layer, status, error, reason, guard, control } = call
  return {
    ...{ from, to, action, credential: call.credential.label, verdict, layer, status, error, reason, guard },
    /** Proven values: those that are others in each run by whose they are. */
    principal: namedPrincipal(call, ledger),
    /** What it rests on, where that is less than a decision record: `status alone; effects not observed`. */
    ...(call.shown && { weakerProof: proofText(call) }),
    ...(control && {
      control: { credential: control.credential, element: control.element, accepted: control.accepted },
    }),
    ...(wait !== undefined && { wait }),
    ...(isBesideRefusals() && { beside: true as const }),
    ...(meanwhile > 0 && { meanwhile }),
  }
}

/** A word that nobody writes: an id, a thumbprint, a key. */
const MADE = /(?=[\w-]*[\dA-Z])[\w-]{20,}/g

/**
 * What was proven: what this call presented as such, what others of its test presented by the name of that. An id that nobody presented
 * was made for this call, or for one before it; all else stands as it is.
 */
function namedPrincipal(call: Verdict, ledger: Ledger): Record<string, string> {
  const [own, { owners, made }] = [provable(call), knownIn(ledger)]
  const named = (value: string): string => {
    const owner = owners.get(value)
    if (own.includes(value)) return 'as presented'
    if (owner !== undefined) return `that of ${owner}`
    if (value.replace(MADE, '') !== '') return value
    return made.get(value) === call ? 'made for this call' : 'made before'
  }
  return Object.fromEntries(Object.entries(call.principal).map(([name, value]) => [name, named(value)]))
}

interface Known {
  calls: number
  /** Who presented what can be proven: of several the first by name, whichever came first. */
  readonly owners: Map<string, string>
  /** The first call of which something was proven. */
  readonly made: Map<string, Verdict>
}

const known = new WeakMap<Ledger, Known>()

function knownIn(ledger: Ledger): Known {
  const found = known.get(ledger) ?? { calls: 0, owners: new Map<string, string>(), made: new Map<string, Verdict>() }
  for (const { verdict } of ledger.slice(found.calls)) {
    const { label } = verdict.credential
    for (const value of provable(verdict)) {
      if (label < (found.owners.get(value) ?? '\uffff')) found.owners.set(value, label)
    }
    for (const value of Object.values(verdict.principal)) if (!found.made.has(value)) found.made.set(value, verdict)
  }
  found.calls = ledger.length
  known.set(ledger, found)
  return found
}

/** What a far end that believes what is presented has to name, and what else of it is an id: they are made anew in each run. */
function provable({ credential, live }: Verdict): string[] {
  const { label: _, ...summaries } = credential
  const proven = [...live.values()].flatMap((kind) => {
    const summary = credential[kind.part]
    return summary === undefined ? [] : Object.values(kind.proves(summary))
  })
  return [...proven.filter((value) => value !== undefined), ...(JSON.stringify(summaries).match(MADE) ?? [])]
}
