import { join, relative } from 'node:path'
import { Command } from 'commander'
import type { DemonstratedRow } from './demonstration.ts'
import { exitCode } from './exit-code.ts'
import { interruptible } from './interruption.ts'
import { jsonOption } from './options.ts'
import { plural, printJson, printPhase, printResult, seconds } from './output.ts'
import { verdictLine } from './verdict.ts'

const topology = 'separate-auth'

export function start(): Command {
  return new Command('start')
    .description(
      'What npm start runs: two organisations come up and peer; what is accepted, what is refused, who said so.',
    )
    .addOption(jsonOption())
    .action(async (options: { json?: boolean }) => {
      const began = performance.now()
      const { rows, evidence } = await interruptible(demonstrateTopology)
      printPhase('done', 'released', `everything, after ${seconds(performance.now() - began)}`)
      const failed = rows.filter(({ asExpected }) => !asExpected).length
      const verdict = { passed: rows.length - failed, failed, didNotRun: [] }
      if (failed > 0) process.exitCode = exitCode.failed
      if (options.json) return printJson({ ...verdict, calls: rows, evidence })
      const { renderDemonstration } = await import('./demonstration.ts')
      const next = failed > 0 ? afterFailure(rows, evidence) : nextSteps(evidence)
      printResult(`\n${renderDemonstration(rows)}\n\n${verdictLine(verdict)}\n\n${next}`)
    })
}

async function demonstrateTopology(signal: AbortSignal) {
  const { standUp } = await import('./stand-up.ts')
  // Loaded while the site comes up.
  const loading = Promise.all([import('./demonstration.ts'), import('./demonstration-calls.ts')])
  await using site = await standUp(topology, { set: {}, signal })
  await (await import('./preflight.ts')).tellFiles(site)
  const [{ demonstrate, extraControls, separateAuth }, { callsOf }] = await loading
  await using calls = callsOf(site)
  const rows = await demonstrate(separateAuth, calls)
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

function nextSteps(evidence: string): string {
  return [
    `Evidence   ${evidence}`,
    `Next       npx holdfast up ${topology}      call the nodes yourself, with curl`,
    `           npx holdfast test ${topology}    all scenarios of this topology`,
    '           npx holdfast list                  the other topologies',
    '           README.md, docs/guides/            a scenario and a service of your own',
  ].join('\n')
}
