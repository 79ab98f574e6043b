import { acceptanceProblems, type ExpectedRefusal, givenAway, refusalProblems } from '../site/judge.ts'
import type { Judged } from '../site/known-differences.ts'
import type { Verdict } from '../site/verdict.ts'

/** What must come of an attack: any one of these. */
export type Outcome = readonly Expectation[]

export interface RefusalExpected {
  readonly is: 'refused'
  /** `A1`, `T0`, `E(invalid_grant)`, or the status. */
  readonly code: string
  readonly layer: 'tls' | 'http' | 'broker'
  readonly status?: number
  readonly error?: string
  /** What is sent is so long that a server may refuse it before any application sees it, with a status of its own choice. */
  readonly isOverlong?: true
  /** Reasons that the reference nodes give: any one of them. A target that shows none is judged without. */
  readonly reasons: readonly string[]
}

export type Expectation =
  | { readonly is: 'accepted' }
  | RefusalExpected
  /** The steps make demands of their own: `text` says which. */
  | { readonly is: 'demanded'; readonly text: string }

const refusal =
  (code: string, status: number | undefined, error?: string) =>
  (...reasons: readonly string[]): Outcome => [
    { is: 'refused', code, layer: status === undefined ? 'tls' : 'http', status, error, reasons },
  ]

/** Of protocols that refuse in words and have no status: the text, and nothing else of it. */
export const inWords =
  (code: string, error: string) =>
  (...reasons: readonly string[]): Outcome => [
    { is: 'refused', code, layer: 'broker', status: undefined, error, reasons },
  ]

/** 401 without an error code: nothing was presented (RFC 6750 section 3.1). */
export const A0 = refusal('A0', 401)
/** 401 invalid_token (RFC 6750 section 3.1). */
export const A1 = refusal('A1', 401, 'invalid_token')
/** 400 invalid_request: malformed, repeated, or more than one way of sending a token (RFC 6750 section 3.1). */
export const A2 = refusal('A2', 400, 'invalid_request')
/** 403 insufficient_scope (RFC 6750 section 3.1). */
export const A3 = refusal('A3', 403, 'insufficient_scope')
/** The connection ends before any HTTP answer; no certain alert is demanded. */
export const T0 = refusal('T0', undefined)

/** The JSON error of an OAuth endpoint: 400, and 401 for `invalid_client` (RFC 6749 section 5.2). */
export function E(error: string, ...reasons: readonly string[]): Outcome {
  return refusal(`E(${error})`, error === 'invalid_client' ? 401 : 400, error)(...reasons)
}

/** Any other answer: `refused(421, undefined, 'host_mismatch')`. */
export function refused(status: number, error: string | undefined, ...reasons: readonly string[]): Outcome {
  return refusal([status, error].filter(Boolean).join(' '), status, error)(...reasons)
}

/** The outcome of a header that may be longer than a server likes: RFC 9110 section 5.4 has it refused with any 4xx. */
export function overlong(outcome: Outcome): Outcome {
  return outcome.map((one) => (one.is === 'refused' ? { ...one, isOverlong: true } : one))
}

export function accepted(): Outcome {
  return [{ is: 'accepted' }]
}

/** The process does not start: one line, exit code, no socket (the steps demand it). */
export function START(...reasons: readonly string[]): Outcome {
  return demanded(['START', ...reasons].join(' '))
}

/** What the steps themselves demand. */
export function demanded(text: string): Outcome {
  return [{ is: 'demanded', text }]
}

/** One of several, each of which is right. */
export function either(...outcomes: readonly Outcome[]): Outcome {
  return outcomes.flat()
}

/** `A1 signature_invalid or A2 token_carrier_invalid`. */
export function outcomeText(outcome: Outcome): string {
  return outcome.map(textOf).join(' or ')
}

function textOf(one: Expectation): string {
  if (one.is === 'accepted') return 'accepted'
  return one.is === 'demanded' ? one.text : [one.code, one.reasons.join('|')].filter(Boolean).join(' ')
}

/** Codes are for whoever knows the catalogue: `A1 cnf_x5t_mismatch (401 invalid_token)`, with what the target is held to first. */
function wordsOf(one: RefusalExpected, { status, error }: Answer): string {
  const { code, layer } = one
  const words =
    layer === 'tls'
      ? 'the connection ends without an answer'
      : [status, error].filter((part) => part && part !== '?').join(' ')
  return `${textOf(one)}${/^[A-Z]/.test(code) ? ` (${words})` : ''}`
}

/** The text of what is expected of a verdict, and what speaks against it: of the alternative that comes nearest. */
export function judgeOutcome(outcome: Outcome, verdict: Verdict): Judged {
  const judged = outcome.flatMap((one) => alternatives(one, verdict))
  // Of what was let in no alternative is near: the first is the one that the standard asks for.
  const isLetIn = verdict.promised && judged.every(({ problems }) => problems.length > 0)
  if (isLetIn && judged[0] !== undefined) return judged[0]
  return judged.toSorted((a, b) => a.problems.length - b.problems.length)[0] ?? { expected: 'nothing', problems: [] }
}

/** Statuses with which servers that speak HTTP before they judge a certificate refuse it. */
const httpRefusals = [400, 401, 403, 495, 496]

function alternatives(one: Expectation, verdict: Verdict): Judged[] {
  if (one.is === 'demanded') return []
  if (one.is === 'accepted') return [{ expected: 'accepted', problems: acceptanceProblems(verdict) }]
  const answers = answersOf(one, verdict)
  const expected = wordsOf(one, answers[0])
  const { proof } = verdict
  const secrets = new Set(Object.values(givenAway(verdict)).flat())
  // Without a reason nothing fits a decision record, and a case that names none is incomplete.
  const reasons = one.reasons.length > 0 ? one.reasons : ['']
  return reasons.map((reason) => {
    const judged = answers.map((answer) => refusalProblems(verdict, { ...answer, reason, proof }))
    // Where none of the answers came, what speaks against the first one is told, beside which it stands. One that gives away a secret
    // may be right in all else.
    const right = judged.find((problems) => problems.every((problem) => secrets.has(problem)))
    return { expected, reason, problems: judged.find((problems) => problems.length === 0) ?? right ?? judged[0]! }
  })
}

type Answer = Pick<ExpectedRefusal, 'layer' | 'status' | 'error' | 'mayBeUnseen'>
type Answers = readonly [Answer, ...Answer[]]

/**
 * What is no request that can be read: a server should answer 400, and may as well end the connection (RFC 9112 section 2.2); where the
 * encoding is unknown to it 501 (RFC 9112 section 6.1), where the version is 505 (RFC 9110 section 15.6.6).
 */
const unreadable = [
  ...[400, 501, 505].map((status): Answer => ({ layer: 'http', status, error: '*', mayBeUnseen: true })),
  { layer: 'http', error: '*' },
] as readonly Answer[] as Answers

/** What is listed; and of a target that nobody here wrote, what RFC 6750 section 3.1 leaves to it, and what its declaration says. */
function answersOf(one: RefusalExpected, { status, error, shown, failure }: Verdict): Answers {
  const { layer, code } = one
  const listed: Answer = { layer, status: one.status, error: one.error }
  if (shown === undefined) return [listed]
  const asIs: Answer = { layer: 'http', status: status ?? undefined, error: error ?? '*', mayBeUnseen: true }
  if (layer === 'tls') return httpRefusals.includes(status ?? 0) ? [asIs] : [listed]
  const { noToken = '401 ?', badToken = '401 invalid_token', scope = '403 insufficient_scope' } = shown.answers ?? {}
  // A server may refuse it before anybody looks for a token: what is too long, or is no HTTP (RFC 9110 section 5.4, RFC 6585 section 5).
  // One that does not read on while it says so ends the connection with a reset, in which its answer may be lost (RFC 9112 section 9.6).
  const isCut = status === null && failure?.code !== 'ETIMEDOUT'
  const isOverlong = isCut || Math.floor((status ?? 0) / 100) === 4
  const isEarly = one.isOverlong ? isOverlong : [413, 431].includes(status ?? 0)
  const early = isEarly ? [asIs] : []
  const malformed: Answer = { ...told('400 *'), mayBeUnseen: true }
  if (code === 'A0') return [told(noToken)]
  // It may have room for it, and finds a token that is wrong.
  if (one.status === 431) return [listed, told(badToken), malformed, ...early]
  if (code === '400') return [...unreadable, ...early]
  // Nobody knows what it looks at first: a token that is wrong in kind may lack the scope, too.
  if (code === 'A1') return [listed, ...[badToken, scope, '400 invalid_request'].map(told), ...early]
  if (code === 'A2') return [listed, malformed, told(badToken), told(noToken), ...early]
  // The codes of other answers are our own.
  return code === 'A3'
    ? [listed, told(scope)]
    : [listed, { ...listed, error: '*', mayBeUnseen: [400, 405].includes(one.status ?? 0) }]
}

/** `401 invalid_token`, `401`, `401 ?`, `401 *`. */
function told(answer: string): Answer {
  const [status, error] = answer.split(' ')
  return { layer: 'http', status: Number(status), error }
}
