import type { Credential } from '../site/credential.ts'
import { acceptanceProblems, type ExpectedRefusal, noAnswerText, refusalProblems } from '../site/judge.ts'
import type { Verdict } from '../site/verdict.ts'
import { paint, table, wrapped } from './output.ts'

/** Makes a credential of the topology anew, for this demonstration only. */
export type Credentials = (name: string) => Credential

/** One call of the demonstration, with the outcome that peering between two organisations must have. */
export interface Demonstrated {
  from: string
  to: string
  action: string
  /** What the caller presents, for people. */
  presents: string
  credential: (named: Credentials) => Credential
  expected: 'accepted' | ExpectedRefusal
  /** Why that is so, for people. */
  because: string
}

export interface DemonstratedRow extends Pick<Demonstrated, 'from' | 'to' | 'action' | 'presents' | 'expected'> {
  /** What came: in the words of the far end's decision record; without one, no layer is known. `answer` is for people. */
  received: {
    verdict: Verdict['verdict']
    layer: string | null
    status: number | null
    reason: string | null
    answer: string
  }
  /** For a refusal: the accepted call that differs in one element only, as the number of its row, from 1, or as its credential. */
  control?: { accepted: boolean; row?: number; credential: string }
  /** Who said so: the called node's record, its number there, and the guard that refused. */
  saidBy?: { node: string; seq: number; guard: string | null }
  asExpected: boolean
  /** What speaks against the expectation; empty when nothing does. */
  problems: readonly string[]
  because: string
}

/** Topology `separate-auth`: what its two organisations accept from each other, and what they must not. */
export const separateAuth: readonly Demonstrated[] = [
  {
    from: 'node-a',
    to: 'node-b',
    action: 'peering:connect',
    presents: 'the peer token that auth-b minted for it',
    credential: (named) => named('peer-a-to-b'),
    expected: 'accepted',
    because: 'right issuer, right audience, bound to the certificate presented',
  },
  {
    from: 'node-b',
    to: 'node-a',
    action: 'peering:connect',
    presents: 'the peer token that auth-a minted for it',
    credential: (named) => named('peer-b-to-a'),
    expected: 'accepted',
    because: 'the same in the other direction',
  },
  {
    from: 'node-a',
    to: 'node-a',
    action: 'node:read',
    presents: 'its own node token, at its own local API',
    credential: (named) => named('node-a'),
    expected: 'accepted',
    because: 'a node token is good at home',
  },
  {
    from: 'node-b',
    to: 'node-a',
    action: 'peering:connect',
    presents: 'its own node token, minted by auth-b',
    credential: (named) => named('node-b'),
    expected: { status: 401, error: 'invalid_token', reason: 'issuer_untrusted' },
    because: 'node-a trusts the tokens of auth-a only',
  },
  {
    from: 'auth-a',
    to: 'node-a',
    action: 'peering:connect',
    presents: 'node-b’s peer token, stolen, over its own certificate',
    credential: (named) => named('peer-b-to-a').over(named('cert-auth-a')),
    expected: { status: 401, error: 'invalid_token', reason: 'cnf_x5t_mismatch' },
    because: 'the token is bound to the certificate of node-b',
  },
  {
    from: 'node-b',
    to: 'node-a',
    action: 'peering:connect',
    presents: 'its peer token, and no certificate',
    credential: (named) => named('peer-b-to-a').withoutCertificate(),
    expected: { reason: 'cert_missing' },
    because: 'without a certificate the connection ends before any request',
  },
]

export interface Calls {
  credential: Credentials
  call(from: string, to: string, action: string, credential: Credential): Promise<Verdict>
}

/** Makes the calls one after the other, so that the records of the called nodes read in the same order. */
export async function demonstrate(
  declared: readonly Demonstrated[],
  { credential, call }: Calls,
): Promise<DemonstratedRow[]> {
  const done: { row: DemonstratedRow; verdict: Verdict }[] = []
  for (const one of declared) {
    const verdict = await call(one.from, one.to, one.action, one.credential(credential))
    const earlier = done.findIndex(({ row, verdict: other }) => row.asExpected && isControl(other, verdict))
    done.push({ verdict, row: rowOf(one, verdict, earlier < 0 ? undefined : earlier + 1) })
  }
  return done.map(({ row }) => row)
}

/** Whether `other` is the very call that `verdict` names as its positive control. */
function isControl(other: Verdict, { from, to, action, control }: Verdict): boolean {
  const isSameCall = other.from === from && other.to === to && other.action === action
  return isSameCall && other.verdict === 'accepted' && other.credential.label === control?.credential
}

function rowOf(declared: Demonstrated, verdict: Verdict, controlRow: number | undefined): DemonstratedRow {
  const { from, to, action, presents, expected, because } = declared
  const { status, reason, decision, control } = verdict
  const problems =
    expected === 'accepted'
      ? acceptanceProblems(verdict)
      : [...refusalProblems(verdict, expected), ...controlProblems(verdict)]
  return {
    ...{ from, to, action, presents, expected, because, problems, asExpected: problems.length === 0 },
    received: {
      verdict: verdict.verdict,
      layer: decision?.layer ?? null,
      status,
      reason,
      answer: answerText(verdict),
    },
    ...(expected !== 'accepted' && control
      ? { control: { accepted: control.accepted, row: controlRow, credential: control.credential } }
      : {}),
    saidBy: decision && { node: decision.node, seq: decision.seq, guard: decision.guard },
  }
}

/** A node that refuses everybody would show the same. */
function controlProblems({ control }: Verdict): string[] {
  if (control === undefined) return ['no call that differs in one element only was accepted, so this proves nothing']
  if (control.accepted) return []
  return [`its control (${control.credential}) was not accepted: ${control.problems.join('; ')}`]
}

function answerText(verdict: Verdict): string {
  const { status, promised, decision } = verdict
  if (verdict.verdict === 'accepted') return `accepted ${status ?? ''}`.trimEnd()
  if (status === null) return decision?.layer === 'tls' ? 'refused in TLS' : noAnswerText(verdict)
  const isBelieved = decision?.verdict === 'refused' && !promised
  return isBelieved ? `refused ${status}` : `answered ${status}, not believed`
}

/** How many calls were made only to be the positive control of another one. */
export function extraControls(rows: readonly DemonstratedRow[]): number {
  return rows.filter(({ control }) => control !== undefined && control.row === undefined).length
}

export function renderDemonstration(rows: readonly DemonstratedRow[]): string {
  const cells = rows.flatMap((row, index) => {
    const mark = row.asExpected ? paint('green', '✓') : paint('red', '✗')
    const saidBy = row.saidBy ? `${row.saidBy.node} #${row.saidBy.seq} ${row.saidBy.guard ?? ''}`.trimEnd() : 'nobody'
    const [first = '', ...more] = row.asExpected
      ? lines([row.because, besideText(row)]).map((line) => paint('dim', line))
      : lines(row.problems).map((line) => paint('red', line))
    return [
      [mark, String(index + 1), `${row.from} → ${row.to}`, row.presents, colouredOutcome(row), saidBy],
      ['', '', '', first, row.received.reason ?? '', ''],
      ...more.map((line) => ['', '', '', line, '', '']),
    ]
  })
  return table(['', '', 'who called whom', 'and presented', 'answer', 'said by'], cells)
}

/** The table stays as narrow as a terminal: 120 columns with the widest names of the demonstration. */
const textWidth = 52

function lines(texts: readonly string[]): string[] {
  return texts.filter(Boolean).flatMap((text) => wrapped(text, textWidth).map((line) => `  ${line}`))
}

function besideText({ control }: DemonstratedRow): string {
  if (control === undefined) return ''
  const what = control.row === undefined ? `the same with ${control.credential} itself` : `row ${control.row}`
  return `beside: ${what}, accepted`
}

function colouredOutcome({ received }: DemonstratedRow): string {
  return paint(received.verdict === 'accepted' ? 'green' : 'yellow', received.answer)
}
