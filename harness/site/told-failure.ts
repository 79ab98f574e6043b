import { isDeepStrictEqual } from 'node:util'
import type { SiteNotReady } from '../backends/launched-site.ts'
import { redact } from '../credentials/secrets.ts'
import { givenAway, receivedText } from './judge.ts'
import { judgedAs } from './judging.ts'
import type { Judged } from './known-differences.ts'
import type { Ledger } from './ledger.ts'
import type { Verdict } from './verdict.ts'

/** What a test is about, beyond its name: for whoever reads how it failed. */
export interface About {
  /** `control`: all other tests of the place stand on it. `plain`: what others try in further ways. */
  readonly rank?: 'control' | 'plain' | 'other'
  /** What stands for it in lists of failures: an attack by its id, a check by its name. */
  readonly id?: string
  /** A sentence: what must hold. */
  readonly title?: string
  /** Why what is tried must be refused. */
  readonly because?: string
  /** What it means when this does not hold, in plain words. */
  readonly meaning?: string
  /** Where it is demanded: `RFC 8705 section 3`. */
  readonly clause?: string
  /** The check of the target without which what is tried works anyway. */
  readonly follows?: string
}

/** A failed call as the command line tells it, beside others: plain JSON, which holds secrets until it is redacted. */
export interface ToldFailure {
  /** The same for all failures that have one cause. */
  readonly cause: string
  /** Of what is let in: the cause that it follows from, where that one is told, too. */
  readonly follows?: string
  /** Place and rule, where that is broken: somebody is let in against it, or a good caller is turned away by what it is about. */
  readonly breaks?: string
  /** Place and rule, of a refusal that is another one than that demands. */
  readonly misses?: string
  readonly rank: 'control' | 'plain' | 'other'
  /** The node that was called. */
  readonly node: string
  /** What does not hold, and where it is demanded, of a test that is about more than itself. */
  readonly rule?: { readonly id: string; readonly title?: string; readonly clause?: string }
  readonly sentence: string
  /** Label and lines of each thing that is told about it. */
  readonly told: readonly (readonly [label: string, ...lines: readonly string[]])[]
}

/** The call of a test that did not come out as it must; its positive control, where that is what failed. */
export function failedCall(ledger: Ledger): { verdict: Verdict; judged: Judged } | undefined {
  const verdicts = ledger.map(({ verdict }) => verdict).toReversed()
  for (const verdict of verdicts) {
    const judged = judgedAs(verdict)
    if (judged !== undefined && judged.problems.length > 0) return { verdict, judged }
  }
  for (const verdict of verdicts) {
    const { control } = verdict
    if (judgedAs(verdict) === undefined || control?.call === undefined || control.accepted) continue
    return { verdict: control.call, judged: { expected: 'accepted, as positive control', problems: control.problems } }
  }
  return undefined
}

export function toldFailure(ledger: Ledger, about: About, name: string): ToldFailure | undefined {
  const failed = failedCall(ledger)
  if (failed === undefined) return undefined
  const { verdict, judged } = failed
  const { from, to, action, credential, evidence, again } = verdict
  const isControl = about.rank === 'control'
  const beside = judged.beside ?? verdict.control?.call
  const unlike = differences(verdict, beside)
  const isMalformed = isLetIn(verdict) && isMalformedAlone(failed, beside)
  const difference = unlike.length > 0 ? unlike : [firstMismatch(verdict) ?? []].flat()
  const followed = refusals(verdict).find(({ check }) => check === about.follows)
  const isOpen = isLetIn(verdict) && judged.fault === undefined
  const isTurnedAway = !verdict.promised && judged.reason === undefined && !isControl
  const isOther = !isControl && !isLetIn(verdict) && !isTurnedAway && awayIn(failed) === undefined
  const told: ToldFailure['told'] = [
    ['likely', ...(isLetIn(verdict) ? [judged.fault ?? about.meaning ?? (isMalformed ? lenient : [])].flat() : [])],
    ['call', `${from} -> ${to} ${action} with ${credential.label}`],
    ['expected', judged.expected],
    ['received', receivedText(verdict)],
    ['because', ...(isLetIn(verdict) ? [] : leaksFirst(verdict, judged))],
    ['its words', ...ownWords(verdict)],
    ['its log', ...verdict.log().slice(isControl ? -10 : -3)],
    ['differs', ...difference.slice(0, 3)],
    ['sent', ...(isControl ? shown(verdict.sent) : [])],
    ['came', ...(isControl ? shown(verdict.came).filter(Boolean) : [])],
    ['presented', ...(isControl ? facts(verdict) : [])],
    ['clause', ...[about.clause ?? []].flat()],
    ['page', evidence],
    ['again', again],
  ]
  return {
    cause: `${to} ${action}: ${isControl ? 'lets nobody in' : (awayIn(failed) ?? causeOf(verdict, judged))}`,
    ...(isOpen && followed && { follows: `${to} ${action}: ${lettingIn(followed.guard)}` }),
    ...((isOpen || isTurnedAway) && about.id !== undefined && { breaks: `${to} ${action}: ${about.id}` }),
    ...(isOther && about.id !== undefined && { misses: `${to} ${action}: ${about.id}` }),
    rank: rankOf(verdict, judged, about),
    node: to,
    ...(about.id !== undefined && {
      rule: { id: about.id, title: about.title ?? about.because, clause: about.clause },
    }),
    sentence: sentenceOf(failed, about, name, isMalformed),
    told: told.filter(([, ...lines]) => lines.length > 0),
  }
}

/** A site that does not come up: one cause for all tests that stand on one. */
export function notReadyFailure({ node, why, logTail, evidence }: SiteNotReady, again: string): ToldFailure {
  const [what = '', ...because] = why.split(': ')
  const told: ToldFailure['told'] = [
    ['because', ...(because.length > 0 ? [because.join(': ')] : [])],
    ['its log', ...logTail.slice(-15)],
    ['evidence', evidence],
    ['again', again],
  ]
  return {
    // Addresses are others in each run.
    ...{ cause: what, rank: 'control', node, sentence: `nothing could be tried: ${what}` },
    told: told.filter(([, ...lines]) => lines.length > 0),
  }
}

type Failed = NonNullable<ReturnType<typeof failedCall>>

function sentenceOf(failed: Failed, { rank, title, because }: About, name: string, isMalformed: boolean): string {
  const { verdict } = failed
  const place = `${verdict.to} ${verdict.action}`
  if (rank === 'control') return `${place} lets nobody in: it refuses the call that it must accept`
  const away = awayIn(failed)
  if (away !== undefined) return `${place} ${away}`
  const wrong = isMalformed ? ' answers a malformed request like any other' : ' lets in what it must refuse'
  return `${place}${isLetIn(verdict) ? wrong : ''}: ${because ?? title ?? name}`
}

const lenient =
  'its HTTP parser takes or ignores a line that is malformed, which a program before it may read otherwise'

/** Whether somebody who may come in came in by a request that is malformed: nobody gained anything by it yet. */
function isMalformedAlone({ verdict, judged }: Failed, beside: Verdict | undefined): boolean {
  if (judged.reason !== 'request_unreadable' || beside === undefined) return false
  return isDeepStrictEqual(factsOf(beside), factsOf(verdict))
}

/** What a refusal gives away, which is worse than that it is another one: in its log, or else in its answer. */
function awayIn({ verdict, judged: { problems } }: Failed): string | undefined {
  if (isLetIn(verdict)) return undefined
  const { writtenDown, told } = givenAway(verdict)
  const isAmong = (some: readonly string[]) => some.some((one) => problems.includes(one))
  if (isAmong(writtenDown)) return 'writes down a secret that is presented to it'
  return isAmong(told) ? 'tells in its refusal what helps an attacker' : undefined
}

function leaksFirst(verdict: Verdict, { problems }: Judged): string[] {
  const leaks = new Set(Object.values(givenAway(verdict)).flat())
  return problems.toSorted((a, b) => Number(leaks.has(b)) - Number(leaks.has(a)))
}

/** Of all in which something is presented apart from what it belongs to, the plain one is that which lacks nothing else. */
function rankOf(verdict: Verdict, { reason, fault }: Judged, { rank = 'other' }: About): ToldFailure['rank'] {
  const apart = isLetIn(verdict) && fault === undefined ? apartIn(verdict) : undefined
  const check = refusalFor(verdict, reason)?.check
  const lacksMore = apart !== undefined && check?.startsWith(`${apart.kind}/`) === false
  return rank === 'plain' && lacksMore ? 'other' : rank
}

function apartIn({ live, credential }: Verdict) {
  const found = [...live].find(([, one]) => one.belongs?.(credential) === false)
  return found && { kind: found[0], part: found[1].part }
}

/** The check of the target that is to refuse for this reason. */
function refusalFor(verdict: Verdict, reason: string | undefined) {
  return refusals(verdict).find((check) => check.reason === reason)
}

function refusals({ verification }: Verdict) {
  return verification?.checks.filter((check) => check.settles === undefined) ?? []
}

function isLetIn({ promised, shown }: Verdict): boolean {
  return promised && shown?.said !== 'refused'
}

/**
 * What is let in has the cause in common with what should have been refused by the same guard, or with whatever else was presented apart
 * from what it belongs to. All other failures are alike where they were answered alike, and are wrong in the same way.
 */
function causeOf(verdict: Verdict, { reason, expected, problems, fault }: Judged): string {
  if (fault !== undefined) return fault
  if (isLetIn(verdict) && reason !== undefined) {
    const apart = apartIn(verdict)
    return apart === undefined
      ? lettingIn(refusalFor(verdict, reason)?.guard ?? reason)
      : `lets in a ${apart.part} that belongs elsewhere`
  }
  return `${receivedText(verdict)}: ${alike(problems[0] ?? expected)}`
}

function lettingIn(guard: string): string {
  return `lets in what ${guard} should refuse`
}

/** A text without what differs from call to call. */
function alike(text: string): string {
  return text.replaceAll(/[\w-]{16,}…?|\beyJ[\w-]+…/g, '…').replaceAll(/\d+/g, '#')
}

/** `exp: 1795926455 → "1795926455"`: what a call presented, and sent, otherwise than the one that is accepted. */
export function differences(verdict: Verdict, control: Verdict | undefined): string[] {
  if (control === undefined) return []
  const [was, is] = [factsOf(control), factsOf(verdict)]
  const presented = [...new Set([...Object.keys(was), ...Object.keys(is)])].flatMap((name) =>
    isDeepStrictEqual(was[name], is[name]) ? [] : [`${name}: ${brief(was[name])} → ${brief(is[name])}`],
  )
  const [before, after] = [linesOf(control.sent), linesOf(verdict.sent)]
  const without = (lines: readonly string[], others: readonly string[]) =>
    lines.filter((line) => !others.includes(line))
  return [
    ...presented,
    ...without(before, after).map((line) => `- ${line}`),
    ...without(after, before).map((line) => `+ ${line}`),
  ]
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

/** What was presented, as named values: none of what nobody asked for. */
function factsOf({ live, credential, shaken }: Verdict): Readonly<Record<string, unknown>> {
  const found = [...live.values()].map((kind) => {
    const summary = credential[kind.part]
    return summary === undefined || (kind.inHandshake && shaken?.isCertificateAsked === false)
      ? {}
      : kind.facts?.(summary)
  })
  return Object.assign({}, ...found)
}

function facts(verdict: Verdict): string[] {
  return Object.entries(factsOf(verdict)).map(([name, value]) => `${name}: ${brief(value)}`)
}

function brief(value: unknown): string {
  const text = value === undefined ? 'absent' : JSON.stringify(value)
  return text.length > 160 ? `${text.slice(0, 160)}… (${text.length} characters)` : text
}

/** What the target itself says of it: `error_description` (RFC 6750 section 3), of its challenge or of a JSON body. */
export function ownWords({ wwwAuthenticate = [], json }: Verdict): string[] {
  const inBody =
    typeof json === 'object' && json !== null ? (json as Record<string, unknown>).error_description : undefined
  const said = [...wwwAuthenticate.map(({ params }) => params.error_description), inBody]
  return [...new Set(said.filter((one) => typeof one === 'string'))]
}

const longestShown = 4_000

/** The lines of a text that may hold anything. */
export function shown(text: string | undefined): string[] {
  if (text === undefined) return []
  // Before it is cut: of a token nobody knows the first half again.
  const open = redact(text)
  const cut = open.length > longestShown ? `${open.slice(0, longestShown)}\n… (${text.length} characters)` : open
  return linesOf(cut).map((line) =>
    line.replaceAll(/[\p{Cc}\p{Cf}]/gu, (one) => `\\u${one.codePointAt(0)!.toString(16).padStart(4, '0')}`),
  )
}

function linesOf(text = ''): string[] {
  return text.trimEnd().split(/\r?\n/)
}
