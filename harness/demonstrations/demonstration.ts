import type { Site } from '../backends/backend.ts'
import { callParts } from '../shipped.ts'
import type { CallOptions } from '../site/call.ts'
import { CellCredentials } from '../site/cell-credentials.ts'
import type { Credential } from '../site/credential.ts'
import { acceptanceProblems, type ExpectedRefusal, isAnswered, noAnswerText, refusalProblems } from '../site/judge.ts'
import { ScenarioSite, SharedKnowledge } from '../site/scenario-site.ts'
import type { Control, Verdict } from '../site/verdict.ts'
import type { Cell } from '../trust/cell.ts'

/** Makes a credential of the topology anew, for this demonstration only; or what a cell of its matrix presents. */
export interface Credentials {
  (name: string): Credential
  of(cell: Cell): Credential
}

/** One call of a demonstration, with the outcome that it must have. */
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
  /** What the call does otherwise than its action says. */
  options?: CallOptions
  /** For a refusal: the accepted row that is its positive control. Default: a call that differs in one element only. */
  beside?: Demonstrated
}

export interface DemonstratedRow extends Pick<Demonstrated, 'from' | 'to' | 'action' | 'presents' | 'expected'> {
  /** What came: in the words of the far end's decision record; without one, no layer is known. `answer` is for people. */
  received: Pick<Verdict, 'verdict' | 'status' | 'reason'> & { layer: string | null; answer: string }
  /** For a refusal: the accepted call that differs in one element only, as the number of its row, from 1, or as its credential. */
  control?: { accepted: boolean; row?: number; credential: string }
  /** Who said so: the called node's record, its number there, and the guard that refused. */
  saidBy?: { node: string; seq: number; guard: string | null }
  asExpected: boolean
  /** What speaks against the expectation; empty when nothing does. */
  problems: readonly string[]
  because: string
}

interface Calls {
  credential: Credentials
  call(from: string, to: string, action: string, credential: Credential, options?: CallOptions): Promise<Verdict>
}

/** A site of ours as scenarios have it, so that a demonstration proves what a scenario would. */
export async function shownSite(site: Site, again: string): Promise<ScenarioSite> {
  return new ScenarioSite(site, { name: 'demonstration', again }, new SharedKnowledge(), await callParts())
}

export function callsOf(site: ScenarioSite): Calls {
  const cells = new CellCredentials(site.site, site.parts.live)
  const named = (name: string) => site.credentials.named(name)
  return {
    credential: Object.assign(named, { of: (cell: Cell) => cells.of(cell) }),
    call: (from, to, action, credential, options) => site.call(from, to, action, credential, options),
  }
}

/** A call that was made, and what is shown of it. */
interface Made {
  row: DemonstratedRow
  verdict: Verdict
}

/** Makes the calls one after the other, so that the records of the called nodes read in the same order. */
export async function demonstrate(
  declared: readonly Demonstrated[],
  { credential, call }: Calls,
): Promise<DemonstratedRow[]> {
  const done: Made[] = []
  for (const one of declared) {
    const verdict = await call(one.from, one.to, one.action, one.credential(credential), one.options)
    const at = one.beside ? declared.indexOf(one.beside) : done.findIndex((made) => isControl(made, verdict))
    const control = one.beside ? done[at] && controlOf(done[at]) : verdict.control
    done.push({ verdict, row: rowOf(one, verdict, control, at) })
  }
  return done.map(({ row }) => row)
}

/** Whether it is the very call that a verdict names as its positive control. */
function isControl({ row, verdict: other }: Made, { from, to, action, control }: Verdict): boolean {
  const isSameCall = other.from === from && other.to === to && other.action === action
  const isAccepted = row.asExpected && other.verdict === 'accepted'
  return isSameCall && isAccepted && other.credential.label === control?.credential
}

function controlOf({ row, verdict }: Made): Control {
  const { asExpected: accepted, problems } = row
  return { accepted, problems, element: row.presents, credential: verdict.credential.label }
}

/** `at`: which row is the control, or less than 0. */
function rowOf(declared: Demonstrated, verdict: Verdict, control: Control | undefined, at: number): DemonstratedRow {
  const { from, to, action, presents, expected, because } = declared
  const { status, reason, decision } = verdict
  const problems =
    expected === 'accepted'
      ? acceptanceProblems(verdict)
      : [...refusalProblems(verdict, expected), ...controlProblems(control)]
  return {
    ...{ from, to, action, presents, expected, because, problems, asExpected: problems.length === 0 },
    received: { verdict: verdict.verdict, layer: decision?.layer ?? null, status, reason, answer: answerText(verdict) },
    ...(expected !== 'accepted' && control
      ? { control: { accepted: control.accepted, row: at < 0 ? undefined : at + 1, credential: control.credential } }
      : {}),
    saidBy: decision && { node: decision.node, seq: decision.seq, guard: decision.guard },
  }
}

/** A node that refuses everybody would show the same. */
function controlProblems(control: Control | undefined): string[] {
  if (control === undefined) return ['no call that differs in one element only was accepted, so this proves nothing']
  if (control.accepted) return []
  return [`its control (${control.credential}) was not accepted: ${control.problems.join('; ')}`]
}

function answerText(verdict: Verdict): string {
  const { status, promised, decision } = verdict
  if (verdict.verdict === 'accepted') return `accepted ${status ?? ''}`.trimEnd()
  if (!isAnswered(verdict)) return decision?.layer === 'tls' ? 'refused in TLS' : noAnswerText(verdict)
  const isBelieved = decision?.verdict === 'refused' && !promised
  return isBelieved ? `refused ${status ?? ''}`.trimEnd() : `answered ${status ?? ''}, not believed`
}

/** How many calls were made only to be the positive control of another one. */
export function extraControls(rows: readonly DemonstratedRow[]): number {
  return rows.filter(({ control }) => control !== undefined && control.row === undefined).length
}
