import type { DecisionRecord } from '../evidence/decision.ts'
import type { AnyProtocol, Expected } from '../protocols/spoken.ts'
import type { Proof } from '../topology/proof.ts'
import type { Refusal } from '../topology/verification.ts'
import { boundOn } from './bound.ts'
import type { Shown } from './shown.ts'
import type { Verdict } from './verdict.ts'

/** What a refusal must be. The reason is read from the far end's decision log, the rest is what the caller got. */
export interface ExpectedRefusal extends Expected {
  /** Default: that of the protocol where an answer is expected, else `tls`. */
  layer?: Verdict['layer']
  reason: string
  guard?: string
  /**
   * The weakest proof that will do. Default: a decision record. With less, the reason is compared only where the declaration of
   * the target has a word for it.
   */
  proof?: Proof
  /** A server may refuse it before its program sees it, so that no line of a log and no header tells the reason. */
  mayBeUnseen?: boolean
  /** How soon the refusal must be there, in ms from the first byte of the call, times the slowness of the site. Default 5 000. */
  withinMs?: number
}

/** A refusal as a topology declares it, as what must come of a call. */
export function expectedRefusal(declared: Refusal, proof?: Proof): ExpectedRefusal {
  const { layer, reason, guard, orStatuses, status, error } = declared
  return { layer, reason, guard, orStatuses, proof, status: status ?? undefined, error: error ?? undefined }
}

const boundMs = 5_000

const insides = [
  [/\n\s+at .+[:(]\d+|node_modules|\.[cm]?[jt]s:\d+/, 'a stack trace'],
  [/-----BEGIN /, 'PEM'],
] as const

/** What speaks against "accepted"; empty when nothing does. It is believed only when the far end says so. */
export function acceptanceProblems(verdict: Verdict): string[] {
  const problems: string[] = []
  if (!verdict.promised) {
    const isSilent = !isAnswered(verdict) && verdict.layer !== 'tls'
    problems.push(`the caller got ${isSilent ? noAnswerText(verdict) : outcomeText(verdict)}`)
  }
  const { to, decision, shown } = verdict
  if (shown?.said === 'refused') problems.push(`${to} shows a refusal: ${verdict.reason} (${verdict.proof})`)
  if (shown !== undefined) return problems
  if (decision === undefined) return [...problems, `${to} wrote no decision record for ${verdict.conn}`]
  const refusals = verdict.decisions.filter((record) => record.verdict === 'refused')
  for (const { guard, reason } of refusals) problems.push(`${to} recorded a refusal: ${reason} (${guard})`)
  if (decision.verdict !== 'accepted') problems.push(`${to} recorded the verdict ${decision.verdict}`)
  return [...problems, ...unprovenProblems(verdict, decision)]
}

/** What was believed must stand in the record: one that names none of it may come from a target that looked at none. */
function unprovenProblems({ credential, judged, live }: Verdict, { principal }: DecisionRecord): string[] {
  return [...live.values()].flatMap((kind) => {
    const { part } = kind
    const summary = judged.includes(part) ? credential[part] : undefined
    const demanded = summary === undefined ? [] : Object.entries(kind.proves(summary))
    return demanded.flatMap(([name, presented = `a ${part} that has none`]) => {
      const proven = principal[name] === undefined ? `no ${name}` : `${name} ${principal[name]}`
      return principal[name] === presented ? [] : `the record proves ${proven}, presented was ${presented}`
    })
  })
}

/** What speaks against "refused as expected", beginning with what the caller got; empty when nothing does. */
export function refusalProblems(verdict: Verdict, expected: ExpectedRefusal): string[] {
  const { promised, protocol, answer, ms } = verdict
  const withinMs = boundOf(verdict, expected)
  return [
    ...(promised ? ['the caller got what the action promises'] : []),
    // Nobody there can have refused anything: what lies between, or the ground, kept them apart.
    ...(verdict.conn === '' ? [`no connection came about: ${noAnswerText(verdict)}`] : []),
    ...protocol.problems(answer, expected),
    ...(ms > withinMs ? [`it took ${Math.round(ms)} ms, the bound is ${withinMs} ms`] : []),
    ...recordProblems(verdict, expected),
    ...oracleProblems(verdict),
    ...effectProblems(verdict),
  ]
}

/** `refused 401 invalid_token, reason cnf_x5t_mismatch, within 5000 ms`. */
export function expectedText(expected: ExpectedRefusal, verdict: Pick<Verdict, 'protocol' | 'slowness'>): string {
  const { reason } = expected
  const { protocol } = verdict
  const answer = protocol.wanted(expected) ?? (layerOf(expected, protocol) === 'tls' ? 'at TLS' : '')
  return `refused ${answer}, reason ${reason}, within ${boundOf(verdict, expected)} ms`
}

function boundOf(verdict: Pick<Verdict, 'slowness'>, { withinMs = boundMs }: ExpectedRefusal): number {
  return boundOn(verdict, withinMs)
}

/** `accepted 200`, `refused 401 invalid_token, reason issuer_untrusted`, `answered 200, not believed: b recorded nothing`. */
export function receivedText(verdict: Verdict): string {
  const { decision, to, shown, promised, proof } = verdict
  const reason = verdict.reason === null ? '' : `, reason ${verdict.reason}`
  if (shown !== undefined) {
    if (!isAnswered(verdict) && verdict.layer !== 'tls') return `${noAnswerText(verdict)} (${proof})`
    const believed = promised && verdict.verdict === 'refused' ? 'answered' : verdict.verdict
    return `${believed} ${outcomeText(verdict)}${reason} (${proof})`
  }
  const recorded = `${to} recorded ${decision === undefined ? 'nothing' : decisionText(decision)}`
  if (!isAnswered(verdict) && decision?.layer !== 'tls') return `${noAnswerText(verdict)}; ${recorded}`
  if (decision === undefined || (promised && decision.verdict === 'refused')) {
    return `answered ${outcomeText(verdict)}, not believed: ${recorded}`
  }
  return `${verdict.verdict} ${outcomeText(verdict)}${reason}`
}

/** `no answer (connection reset)`: the connection ended, and nobody said why; `no answer within 30 s`: we ended it. */
export function noAnswerText({ failure, ms }: Verdict): string {
  if (failure?.code === 'ETIMEDOUT') return `no answer within ${Math.round(ms / 1000)} s`
  const code = failure?.code ?? 'the connection ended'
  return `no answer (${connectionEnds[code] ?? code})`
}

const connectionEnds: Readonly<Record<string, string>> = {
  ECONNRESET: 'connection reset',
  ECONNREFUSED: 'connection refused',
  EPIPE: 'connection closed',
}

function decisionText({ verdict, reason }: DecisionRecord): string {
  return verdict === 'accepted' ? 'an accept' : `a refusal (${reason})`
}

/** Whether the far end said anything in the words of the protocol. */
export function isAnswered({ protocol, answer }: Verdict): boolean {
  return protocol.text(answer) !== undefined
}

function outcomeText({ protocol, answer, layer }: Verdict): string {
  const failure = answer.failure ? ` (${answer.failure.code})` : ''
  return protocol.text(answer) ?? `${layer === 'tls' ? 'at TLS' : 'without an answer'}${failure}`
}

function recordProblems(verdict: Verdict, expected: ExpectedRefusal): string[] {
  const { decisions, to, conn } = verdict
  if (verdict.shown !== undefined) return shownProblems(verdict, verdict.shown, expected)
  const refusals = decisions.filter((record) => record.verdict === 'refused')
  const [record, ...more] = refusals
  if (record === undefined && decisions.length > 0) return [`${to} recorded an accept for ${conn}, and no refusal`]
  if (record === undefined) return [`${to} recorded nothing for ${conn} within ${Math.round(verdict.waitedMs)} ms`]
  const problems: string[] = []
  const layer = layerOf(expected, verdict.protocol)
  if (more.length > 0) problems.push(`${to} recorded ${refusals.length} refusals, expected one`)
  if (decisions.some((one, at) => one.verdict === 'accepted' && !isLogin(one, at, verdict)))
    problems.push(`${to} also recorded an accept`)
  if (record.reason !== expected.reason) problems.push(`reason ${record.reason}, expected ${expected.reason}`)
  if (record.guard === null) problems.push('the record names no guard')
  if (expected.guard !== undefined && record.guard !== expected.guard) {
    problems.push(`guard ${record.guard}, expected ${expected.guard}`)
  }
  if (record.layer !== layer) problems.push(`layer ${record.layer}, expected ${layer}`)
  if (record.status !== verdict.status) problems.push(`the record says status ${record.status}`)
  if (record.error !== null && ![verdict.error, verdict.otherError].includes(record.error)) {
    problems.push(`the record says error ${record.error}`)
  }
  return [
    ...problems,
    ...[...verdict.live.values()].flatMap((kind) => kind.refusalProblems?.(verdict, record) ?? []),
    ...leakProblems(verdict),
  ]
}

/** Where the protocol has a login before what is asked for, its accept comes first: who was let in is not let do all. */
function isLogin({ action }: DecisionRecord, at: number, { letInBy }: Verdict): boolean {
  return at === 0 && action === letInBy
}

const proofs: readonly Proof[] = ['decision record', 'log line', 'header', 'status alone']

function shownProblems(verdict: Verdict, shown: Shown, expected: ExpectedRefusal): string[] {
  const { to, protocol, proof, reason, layer } = verdict
  const problems = leakProblems(verdict)
  if (proofs.indexOf(proof) > proofs.indexOf(expected.proof ?? 'decision record')) {
    problems.push(
      `${to} shows a ${proof} and no decision record, so ${expected.reason ? `reason ${expected.reason}` : 'its reason'} is not proven; ` +
        `allow that by proof: '${proof}', or let it write decision records (docs/guides/add-a-service-kind.md)`,
    )
  }
  if (shown.said === 'accepted') problems.push(`${to} shows an accept (${proof})`)
  if (layer === 'tls' || layerOf(expected, protocol) === 'tls') return problems
  if (shown.missing !== undefined) return expected.mayBeUnseen ? problems : [...problems, shown.missing]
  if (shown.comparable.includes(expected.reason) && reason !== expected.reason) {
    problems.push(`reason ${reason}, expected ${expected.reason}`)
  }
  return problems
}

/** What of a refusal helps an attacker, of all that speaks against it: first what was written down, then what the answer tells. */
export function givenAway(verdict: Verdict): { writtenDown: readonly string[]; told: readonly string[] } {
  return { writtenDown: leakProblems(verdict), told: oracleProblems(verdict) }
}

function leakProblems({ to, leaks }: Verdict): string[] {
  return leaks.map((leak) => `${to} wrote down ${leak}`)
}

function oracleProblems({ body, credential, answerLeaks, live }: Verdict): string[] {
  const named = [...live.values()].flatMap((kind) => {
    const summary = credential[kind.part]
    const secrets = Object.entries((summary && kind.hints?.(summary)) ?? {})
    return secrets.flatMap(([what, value]) => (value && body.includes(value) ? `the body names ${what} ${value}` : []))
  })
  return [...answerLeaks.map((leak) => `the answer holds ${leak}`), ...hintsIn(body), ...new Set(named)]
}

/** What of a body tells of the inside of its server. */
export function hintsIn(body: string): string[] {
  return insides.flatMap(([pattern, what]) => (pattern.test(body) ? `the body holds ${what}` : []))
}

function effectProblems({ verdict, effects, to }: Verdict): string[] {
  if (verdict === 'accepted') return []
  const { observed, difference, failure, unobservable } = effects
  if (difference !== undefined) return [`the refused call changed ${to}: ${difference}`]
  if (observed || unobservable !== undefined) return []
  return [`whether it changed ${to} could not be observed${failure === undefined ? '' : `: ${failure}`}`]
}

/** `none seen`, what changed, or why nothing was observed. */
export function effectsText({ observed, difference, failure, unobservable }: Verdict['effects']): string {
  if (difference !== undefined) return difference
  return observed ? 'none seen' : `not observed: ${unobservable ?? failure ?? 'the call was accepted'}`
}

function layerOf(expected: ExpectedRefusal, protocol: AnyProtocol): Verdict['layer'] {
  return expected.layer ?? (protocol.wanted(expected) === undefined ? 'tls' : protocol.layer)
}
