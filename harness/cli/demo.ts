import { join, relative } from 'node:path'
import type { Demonstrated, DemonstratedRow } from '../demonstrations/demonstration.ts'
import { type Demonstration, demonstrationOf } from '../demonstrations/derived.ts'
import { type Verifiable, verifiedRows } from '../demonstrations/verification.ts'
import type { ScenarioSite } from '../site/scenario-site.ts'
import type { Plan } from '../topology/plan.ts'
import { isEvidenceGone } from './evidence-gone.ts'
import { exitCode } from './failure.ts'
import { interruptible } from './interruption.ts'
import type { CommonOptions } from './options.ts'
import {
  columnsOf,
  labelled,
  paint,
  plural,
  printJson,
  printPhase,
  printResult,
  seconds,
  table,
  wrapped,
} from './output.ts'
import { tellFiles } from './preflight.ts'
import { verdictLine } from './report-text.ts'
import { standUp } from './stand-up.ts'
import { problemsOf, renderVerification, toldRow } from './verification-text.ts'

export async function demo(topology: string, options: CommonOptions): Promise<void> {
  const began = performance.now()
  const { shown, evidence } = await interruptible((signal) => demonstrated(topology, options, signal))
  isEvidenceGone(evidence)
  printPhase('done', 'released', `everything, after ${seconds(performance.now() - began)}`)
  const { rows, json, text, look } = shown
  const failed = rows.filter(({ asExpected }) => !asExpected).length
  const verdict = { passed: rows.length - failed, failed, didNotRun: [] }
  if (failed > 0) process.exitCode = exitCode.failed
  if (options.json) return printJson({ ...verdict, ...json, evidence })
  const next = failed > 0 ? afterFailure(look(), evidence) : nextSteps(topology, evidence)
  printResult(`\n${text()}\n\n${verdictLine(verdict)}\n\n${next}`)
}

/** What a demonstration comes to, for people and as JSON. */
interface Shown {
  readonly rows: readonly { readonly asExpected: boolean }[]
  readonly json: object
  text(): string
  /** Where to look for the rows that failed. */
  look(): string[]
}

async function demonstrated(topology: string, { backend, set }: CommonOptions, signal: AbortSignal) {
  // Loaded while the site comes up.
  const loading = import('../demonstrations/demonstration.ts')
  const declared: { demonstration?: Demonstration } = {}
  const onPlan = (plan: Plan) => {
    declared.demonstration = demonstrationOf(topology, plan)
  }
  await using launched = await standUp(topology, { backend, set, signal, onPlan })
  await tellFiles(launched)
  const { shownSite } = await loading
  await using site = await shownSite(launched, `npx holdfast demo ${topology}`)
  const { calls, verifiable } = declared.demonstration!
  const parts = [
    ...(calls ? [await called(calls, site)] : []),
    ...(verifiable ? [await verified(verifiable, site)] : []),
  ]
  return { shown: together(parts), evidence: relative('', launched.evidence) }
}

function together(parts: readonly Shown[]): Shown {
  return {
    rows: parts.flatMap(({ rows }) => rows),
    json: Object.assign({}, ...parts.map(({ json }) => json)),
    text: () => parts.map((one) => one.text()).join('\n\n'),
    look: () => parts.flatMap((one) => one.look()),
  }
}

async function called(declared: readonly Demonstrated[], site: ScenarioSite): Promise<Shown> {
  const { callsOf, demonstrate, extraControls } = await import('../demonstrations/demonstration.ts')
  const rows = await demonstrate(declared, callsOf(site))
  const controls = extraControls(rows)
  const counts = `${rows.length}${controls > 0 ? `, and ${plural(controls, 'control')}` : ''}`
  tellRows('calls', rows, `${counts}, each over a connection of its own`)
  return { rows, json: { calls: rows }, text: () => renderDemonstration(rows), look: () => recordsOf(rows) }
}

async function verified(verifiable: Verifiable, site: ScenarioSite): Promise<Shown> {
  const rows = await verifiedRows(verifiable, site, (row) => tellRows(row.step.split(' ')[0]!, [row], toldRow(row)))
  return { rows, json: { steps: rows }, text: () => renderVerification(rows), look: () => problemsOf(rows) }
}

function tellRows(phase: string, rows: Shown['rows'], text: string): void {
  printPhase(rows.some(({ asExpected }) => !asExpected) ? 'failed' : 'done', phase, text)
}

/** The rows of a demonstration as a table for people. */
export function renderDemonstration(rows: readonly DemonstratedRow[], within = columnsOf(process.stdout)): string {
  if (within < 121) return rows.map((row, index) => stacked(row, index + 1, within)).join('\n')
  const cells = rows.flatMap((row, index) => {
    const mark = row.asExpected ? paint('green', '✓') : paint('red', '✗')
    const saidBy = row.saidBy ? `${row.saidBy.node} #${row.saidBy.seq} ${row.saidBy.guard ?? ''}`.trimEnd() : 'nobody'
    const answer = paint(row.received.verdict === 'accepted' ? 'green' : 'yellow', row.received.answer)
    const [presents = '', ...presentsMore] = wrapped(row.presents, textWidth + 2)
    const [first = '', ...more] = [
      ...presentsMore,
      ...(row.asExpected
        ? lines([row.because, besideText(row)]).map((line) => paint('dim', line))
        : lines(row.problems).map((line) => paint('red', line))),
    ]
    return [
      [mark, String(index + 1), `${row.from} → ${row.to}`, presents, answer, saidBy],
      ['', '', '', first, row.received.reason ?? '', ''],
      ...more.map((line) => ['', '', '', line, '', '']),
    ]
  })
  return table(['', '', 'who called whom', 'and presented', 'answer', 'said by'], cells)
}

/** A row as lines below each other, where a table has no place. */
function stacked(row: DemonstratedRow, number: number, within: number): string {
  const { from, to, received, presents, asExpected, because, saidBy, problems } = row
  const mark = asExpected ? paint('green', '✓') : paint('red', '✗')
  const answer = paint(received.verdict === 'accepted' ? 'green' : 'yellow', received.answer)
  const told = saidBy ? `${saidBy.node} #${saidBy.seq} ${saidBy.guard ?? ''}`.trimEnd() : 'nobody'
  const texts = [
    `presented ${presents}`,
    `said by ${told}${received.reason ? `: ${received.reason}` : ''}`,
    ...(asExpected ? [because, besideText(row)] : problems),
  ]
  const lines = texts.filter(Boolean).flatMap((text) => wrapped(text, within - 7).map((line) => `       ${line}`))
  return [`${mark} ${String(number).padEnd(3)} ${from} → ${to}: ${answer}`, ...lines].join('\n')
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

/** The records of calls that failed. */
export function recordsOf(rows: readonly Pick<DemonstratedRow, 'asExpected' | 'saidBy' | 'to'>[]): string[] {
  return rows.flatMap(({ asExpected, saidBy, to }, index) => {
    const said = saidBy ? `record #${saidBy.seq} of ${saidBy.node}` : `${to} recorded nothing`
    return asExpected ? [] : [`row ${index + 1}: ${said}`]
  })
}

/** Where to look, instead of where to go on. */
export function afterFailure(failed: readonly string[], evidence: string): string {
  const files = [
    `${join(evidence, 'calls.jsonl')}      what was called, and what came`,
    `${join(evidence, 'history.jsonl')}    what the nodes recorded; # is the member seq`,
    'docs/guides/read-the-evidence.md    how to read them',
  ]
  return [...labelled('Evidence', [evidence]), ...labelled('Look at', [...failed, ...files])].join('\n')
}

function nextSteps(topology: string, evidence: string): string {
  const steps = [
    [`npx holdfast up ${topology}`, 'call the nodes yourself, with curl'],
    [`npx holdfast test ${topology}`, 'all scenarios of this topology'],
    ['npx holdfast list', 'the other topologies'],
    ['README.md, docs/guides/', 'your own scenario or service'],
  ] as const
  const width = Math.max(...steps.map(([step]) => step.length)) + 4
  const next = steps.map(([step, what]) => `${step.padEnd(width)}${what}`)
  return [...labelled('Evidence', [evidence]), ...labelled('Next', next)].join('\n')
}
