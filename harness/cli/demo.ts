import { join, relative } from 'node:path'
import type { Demonstrated, DemonstratedRow } from '../demonstrations/demonstration.ts'
import { demonstrationOf } from '../demonstrations/derived.ts'
import type { Plan } from '../topology/plan.ts'
import { renderDemonstration } from './demonstration-text.ts'
import { exitCode } from './failure.ts'
import { interruptible } from './interruption.ts'
import type { CommonOptions } from './options.ts'
import { labelled, plural, printJson, printPhase, printResult, seconds } from './output.ts'
import { tellFiles } from './preflight.ts'
import { verdictLine } from './report-text.ts'
import { standUp } from './stand-up.ts'

export async function demo(topology: string, options: CommonOptions): Promise<void> {
  const began = performance.now()
  const { rows, evidence } = await interruptible((signal) => demonstrated(topology, options, signal))
  printPhase('done', 'released', `everything, after ${seconds(performance.now() - began)}`)
  const failed = rows.filter(({ asExpected }) => !asExpected).length
  const verdict = { passed: rows.length - failed, failed, didNotRun: [] }
  if (failed > 0) process.exitCode = exitCode.failed
  if (options.json) return printJson({ ...verdict, calls: rows, evidence })
  const next = failed > 0 ? afterFailure(rows, evidence) : nextSteps(topology, evidence)
  printResult(`\n${renderDemonstration(rows)}\n\n${verdictLine(verdict)}\n\n${next}`)
}

async function demonstrated(topology: string, { backend, set }: CommonOptions, signal: AbortSignal) {
  // Loaded while the site comes up.
  const loading = import('../demonstrations/demonstration.ts')
  let declared: readonly Demonstrated[] = []
  const onPlan = (plan: Plan) => {
    declared = demonstrationOf(topology, plan)
  }
  await using site = await standUp(topology, { backend, set, signal, onPlan })
  await tellFiles(site)
  const { callsOf, demonstrate, extraControls } = await loading
  await using calls = await callsOf(site, `npx holdfast demo ${topology}`)
  const rows = await demonstrate(declared, calls)
  const controls = extraControls(rows)
  const counts = `${rows.length}${controls > 0 ? `, and ${plural(controls, 'control')}` : ''}`
  const failed = rows.some(({ asExpected }) => !asExpected)
  printPhase(failed ? 'failed' : 'done', 'calls', `${counts}, each over a connection of its own`)
  return { rows, evidence: relative('', site.evidence) }
}

/** Where to look, instead of where to go on. */
export function afterFailure(
  rows: readonly Pick<DemonstratedRow, 'asExpected' | 'saidBy' | 'to'>[],
  evidence: string,
): string {
  const failed = rows.flatMap(({ asExpected, saidBy, to }, index) => {
    const said = saidBy ? `record #${saidBy.seq} of ${saidBy.node}` : `${to} recorded nothing`
    return asExpected ? [] : [`row ${index + 1}: ${said}`]
  })
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
    ['README.md, docs/guides/', 'a scenario and a service of your own'],
  ] as const
  const width = Math.max(...steps.map(([step]) => step.length)) + 4
  const next = steps.map(([step, what]) => `${step.padEnd(width)}${what}`)
  return [...labelled('Evidence', [evidence]), ...labelled('Next', next)].join('\n')
}
