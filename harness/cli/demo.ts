import { join, relative } from 'node:path'
import { Command } from 'commander'
import type { Demonstrated, DemonstratedRow } from '../demonstrations/demonstration.ts'
import { exitCode } from './exit-code.ts'
import { interruptible } from './interruption.ts'
import { backendOption, type CommonOptions, jsonOption, setOption } from './options.ts'
import { plural, printJson, printPhase, printResult, seconds } from './output.ts'
import { verdictLine } from './verdict.ts'

type DemoOptions = Pick<CommonOptions, 'backend' | 'set' | 'json'>

export function demo(): Command {
  return new Command('demo')
    .description('Run a topology, and show what it accepts, what it refuses, and who said so.')
    .argument('<topology>', 'name of a topology (see npx holdfast list), or the path of a .nix, .json or .ts file')
    .addOption(backendOption())
    .addOption(setOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  npx holdfast demo separate-auth      two organisations come up and peer; what npm start shows
  npx holdfast demo shared-auth --set nodes=3
  npx holdfast demo ./lab.json         a topology of your own

Of each kind of target one call is made that it accepts, and for each guard one that it refuses. A refusal counts only
beside an accepted call, and each row only by the record that the called node wrote. npx holdfast test tries them all.`,
    )
    .action(async (topology: string, options: DemoOptions) => {
      const began = performance.now()
      const { rows, evidence } = await interruptible((signal) => demonstrated(topology, options, signal))
      printPhase('done', 'released', `everything, after ${seconds(performance.now() - began)}`)
      const failed = rows.filter(({ asExpected }) => !asExpected).length
      const verdict = { passed: rows.length - failed, failed, didNotRun: [] }
      if (failed > 0) process.exitCode = exitCode.failed
      if (options.json) return printJson({ ...verdict, calls: rows, evidence })
      const { renderDemonstration } = await import('./demonstration-text.ts')
      const next = failed > 0 ? afterFailure(rows, evidence) : nextSteps(topology, evidence)
      printResult(`\n${renderDemonstration(rows)}\n\n${verdictLine(verdict)}\n\n${next}`)
    })
}

async function demonstrated(topology: string, { backend, set }: DemoOptions, signal: AbortSignal) {
  const [{ standUp }, { demonstrationOf }] = await Promise.all([
    import('./stand-up.ts'),
    import('../demonstrations/index.ts'),
  ])
  // Loaded while the site comes up.
  const loading = Promise.all([import('../demonstrations/demonstration.ts'), import('../demonstrations/calls.ts')])
  let declared: readonly Demonstrated[] = []
  await using site = await standUp(topology, {
    ...{ backend, set, signal },
    onPlan: (plan) => {
      declared = demonstrationOf(topology, plan)
    },
  })
  await (await import('./preflight.ts')).tellFiles(site)
  const [{ demonstrate, extraControls }, { callsOf }] = await loading
  await using calls = await callsOf(site, `npx holdfast demo ${topology}`)
  const rows = await demonstrate(declared, calls)
  const controls = extraControls(rows)
  const counts = `${rows.length}${controls > 0 ? `, and ${plural(controls, 'control')}` : ''}`
  const failed = rows.some(({ asExpected }) => !asExpected)
  printPhase(failed ? 'failed' : 'done', 'calls', `${counts}, each over a connection of its own`)
  return { rows, evidence: relative(process.cwd(), site.evidence) }
}

/** Where to look, instead of where to go on. */
export function afterFailure(
  rows: readonly Pick<DemonstratedRow, 'asExpected' | 'saidBy' | 'to'>[],
  evidence: string,
): string {
  const failed = rows.flatMap(({ asExpected, saidBy, to }, index) =>
    asExpected
      ? []
      : [`row ${index + 1}: ${saidBy ? `record #${saidBy.seq} of ${saidBy.node}` : `${to} recorded nothing`}`],
  )
  return [
    `Evidence   ${evidence}`,
    ...failed.map((text, index) => `${index === 0 ? 'Look at' : '       '}    ${text}`),
    `           ${join(evidence, 'calls.jsonl')}      what was called, and what came`,
    `           ${join(evidence, 'history.jsonl')}    what the nodes recorded; # is the member seq`,
    '           docs/guides/read-the-evidence.md    how to read them',
  ].join('\n')
}

function nextSteps(topology: string, evidence: string): string {
  const steps = [
    [`npx holdfast up ${topology}`, 'call the nodes yourself, with curl'],
    [`npx holdfast test ${topology}`, 'all scenarios of this topology'],
    ['npx holdfast list', 'the other topologies'],
    ['README.md, docs/guides/', 'a scenario and a service of your own'],
  ] as const
  const width = Math.max(...steps.map(([step]) => step.length))
  return [
    `Evidence   ${evidence}`,
    ...steps.map(([step, what], at) => `${at === 0 ? 'Next' : '    '}       ${step.padEnd(width + 4)}${what}`),
  ].join('\n')
}
