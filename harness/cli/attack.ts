import { Command } from 'commander'
import type { ScopeOptions } from '../attacks/scope.ts'
import { families, familyNames } from '../shipped-families.ts'
import type { Plan } from '../topology/plan.ts'
import { exitCode } from './exit-code.ts'
import { failureGroups } from './failure-groups.ts'
import { interruptible } from './interruption.ts'
import { backendOption, type CommonOptions, chosenBackend, jsonOption, keepOption, setOption } from './options.ts'
import { printJson, printResult } from './output.ts'
import { provenLine } from './proven-text.ts'
import { verdictLine } from './verdict.ts'

interface Options extends CommonOptions {
  family?: string[]
  case?: string[]
  target?: string[]
  list?: boolean
  full?: boolean
  bail?: boolean
}

export function attack(): Command {
  return new Command('attack')
    .description('Try on the targets of a topology all that must not work on them, and judge each refusal.')
    .argument('<topology>', 'name of a topology (see npx holdfast list), or the path of a .nix, .json or .ts file')
    .option('--family <names>', `only these families: ${familyNames.join(', ')}`, listed)
    .option('--case <ids>', 'only these cases: GEN-12,TLS-03', listed)
    .option('--target <names>', 'only these nodes, or actions of them: node-a,"node-b node:read"', listed)
    .option('--list', 'start nothing: only list what would be tried where, what must come of it, and what not and why')
    .option('--full', 'try every target, not one of each kind')
    .option('--bail', 'end the run at the first attack that came out otherwise')
    .addOption(backendOption())
    .addOption(setOption())
    .addOption(keepOption('hold the site of an attack that came out otherwise until you end it'))
    .addOption(jsonOption('print the list, or the verdict, as one JSON value'))
    .addHelpText(
      'after',
      `
Examples:
  npx holdfast attack separate-auth --list              the catalogue for that topology
  npx holdfast attack separate-auth --case GEN-01 --list       each of its variants, and what must come of it
  npx holdfast attack separate-auth --family gen
  npx holdfast attack ./lab.json --target gateway       on a service of your own

Each variant of a case on each target is one test, beside a call that is accepted; it must be refused as listed, for its
own reason, without effect, leak or hint. A case that applies to no target is listed with the reason, and never counts.`,
    )
    .action(async (topology: string, options: Options) => {
      const plan = await planOf(topology, options)
      if (options.list) await list(plan, options)
      else await run(topology, plan, options)
    })
}

function listed(text: string, previous: readonly string[] = []): string[] {
  return [...previous, ...text.split(',').map((part) => part.trim())]
}

function scopeOptions({ family, case: cases, target, full }: Options): ScopeOptions {
  return { families: family, cases, targets: target, full }
}

async function planOf(topology: string, { set }: Options): Promise<Plan> {
  const [{ loadTopology }, { compile }] = await Promise.all([import('../topology/load.ts'), import('../shipped.ts')])
  return compile(await loadTopology(topology, { set }))
}

async function list(plan: Plan, options: Options): Promise<void> {
  const [{ scopesOf }, { listing, listingText }] = await Promise.all([
    import('../attacks/scope.ts'),
    import('./attack-text.ts'),
  ])
  const all = await families()
  const scopes = scopesOf(all, plan, scopeOptions(options))
  if (options.json) printJson(listing(plan.topology, scopes))
  else printResult(listingText(plan.topology, all, scopes, options.case === undefined ? 'cases' : 'variants'))
}

async function run(topology: string, plan: Plan, options: Options): Promise<void> {
  const [{ scopesOf }, { writeAttacks }, { notTriedIn, notTriedLine }, { runScenarios }] = await Promise.all([
    import('../attacks/scope.ts'),
    import('./derived-scenarios.ts'),
    import('./attack-text.ts'),
    import('./run-scenarios.ts'),
  ])
  const chosen = scopeOptions(options)
  const scopes = scopesOf(await families(), plan, chosen)
  const files = [await writeAttacks({ source: topology, plan }, process.cwd(), chosen)]
  const backend = chosenBackend(options)
  const report = await interruptible((signal) => runScenarios({ ...options, files, filters: [], backend, signal }))
  const notTried = notTriedIn(scopes)
  if (options.json) printJson({ ...report, notTried })
  else {
    for (const result of report.scenarios) if (result.state === 'passed') printResult(provenLine(result))
    for (const { failure } of report.scenarios) if (failure !== undefined) printResult(`\n${failure}`)
    const groups = failureGroups(report.scenarios)
    if (groups.length > 0) printResult(`\n${groups.join('\n')}`)
    printResult(`\n${verdictLine(report, notTriedLine(notTried))}`)
  }
  if (report.failed > 0 || report.passed === 0) process.exitCode = exitCode.failed
}
