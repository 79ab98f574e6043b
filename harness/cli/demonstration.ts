import type { Credential } from '../vitest/credential.ts'
import { acceptanceProblems, type ExpectedRefusal, refusalProblems } from '../vitest/judge.ts'
import type { Verdict } from '../vitest/verdict.ts'
import { paint, table } from './output.ts'

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
  /** What came: in the words of the far end's decision record. */
  received: { verdict: Verdict['verdict']; layer: string; status: number | null; reason: string | null }
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
  const rows: DemonstratedRow[] = []
  for (const one of declared) {
    const verdict = await call(one.from, one.to, one.action, one.credential(credential))
    rows.push(rowOf(one, verdict))
  }
  return rows
}

function rowOf({ from, to, action, presents, expected, because }: Demonstrated, verdict: Verdict): DemonstratedRow {
  const { layer, status, reason, decision } = verdict
  const problems = expected === 'accepted' ? acceptanceProblems(verdict) : refusalProblems(verdict, expected)
  return {
    ...{ from, to, action, presents, expected, because, problems, asExpected: problems.length === 0 },
    received: { verdict: verdict.verdict, layer, status, reason },
    saidBy: decision && { node: decision.node, seq: decision.seq, guard: decision.guard },
  }
}

export function renderDemonstration(rows: readonly DemonstratedRow[]): string {
  const cells = rows.flatMap((row) => {
    const mark = row.asExpected ? paint('green', '✓') : paint('red', '✗')
    const saidBy = row.saidBy ? `${row.saidBy.node} #${row.saidBy.seq} ${row.saidBy.guard ?? ''}`.trimEnd() : 'nobody'
    const why = row.asExpected ? row.because : paint('red', row.problems.join('; '))
    return [
      [mark, `${row.from} → ${row.to}`, row.presents, colouredOutcome(row), saidBy],
      ['', '', paint('dim', `  ${why}`), row.received.reason ?? '', ''],
    ]
  })
  return table(['', 'who called whom', 'and presented', 'answer', 'said by'], cells)
}

function colouredOutcome({ received }: DemonstratedRow): string {
  const { verdict, layer, status } = received
  if (verdict === 'accepted') return paint('green', `accepted ${status ?? ''}`.trimEnd())
  return paint('yellow', `refused ${layer === 'tls' ? 'in TLS' : (status ?? '')}`.trimEnd())
}
