import type { Command } from 'commander'
import { type ScopeOptions, scopesOf } from '../attacks/scope.ts'
import { demandGiven } from '../backends/given-files.ts'
import { compile } from '../shipped.ts'
import { families } from '../shipped-families.ts'
import { loadTopology } from '../topology/load.ts'
import { listing, listingText, notTriedIn, notTriedLine } from './attack-text.ts'
import { writeAttacks } from './derived-scenarios.ts'
import { interruptible } from './interruption.ts'
import type { CommonOptions } from './options.ts'
import { beQuiet, printJson, printResult } from './output.ts'
import { judge, printTests, verdictLine } from './report-text.ts'
import { type AskedReport, isStdoutTaken, writeReports } from './reports.ts'
import { runScenarios } from './run-scenarios.ts'

interface AttackOptions extends CommonOptions {
  family?: string[]
  case?: string[]
  target?: string[]
  list?: boolean
  full?: boolean
  bail?: boolean
  name?: string
  quiet?: boolean
  reporter?: readonly AskedReport[]
}

export async function attack(source: string, options: AttackOptions, command: Command): Promise<void> {
  const { family, case: cases, target: targets, full, list, json, set, quiet, reporter } = options
  const isTaken = isStdoutTaken(options, command)
  if (quiet) beQuiet()
  const plan = compile(await loadTopology(source, { set }))
  const all = await families()
  const chosen: ScopeOptions = { families: family, cases, targets, full }
  const scopes = scopesOf(all, plan, chosen)
  if (list) {
    if (json) return printJson(listing(plan.topology, scopes))
    return printResult(listingText(plan.topology, all, scopes, cases === undefined ? 'cases' : 'variants'))
  }
  await demandGiven(plan)
  const files = [await writeAttacks({ source, plan }, chosen)]
  const report = await interruptible((signal) => runScenarios({ ...options, files, filters: [], signal }))
  const notTried = notTriedIn(scopes)
  judge(report)
  if (json) printJson({ ...report, notTried })
  if (!isTaken) {
    printTests(report, { quiet })
    printResult(`\n${verdictLine(report, notTriedLine(notTried))}`)
  }
  await writeReports(report, { reporter, isTaken })
}
