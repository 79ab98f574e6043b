import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Check, type Outcome, program, root, run, script, tests } from './check.ts'
import { guardsAreProvoked } from './guards.ts'

/** Side by side: none of them needs more than one core for long. */
const together: readonly Check[] = [
  { name: 'The types are sound', argv: program('tsc') },
  { name: 'Style and formatting hold', argv: program('biome', 'check', '.') },
  { name: 'Imports run one way', argv: script('checks/imports/main.ts') },
  { name: 'The programs that every topology needs are here', argv: script('checks/toolchain.ts'), live: true },
]

/**
 * Shown as they go. The unit tests wait for programs most of the time and the package check uses one core, so these two share the
 * cores; the scenarios measure times, and have them for themselves.
 */
const inTurn: readonly (readonly Check[])[] = [
  [
    { name: 'The unit tests and the conformance suite pass', argv: tests('unit'), counts: true, live: true },
    { name: 'The packed package works where it is installed', argv: script('checks/package/try.ts') },
  ],
  [
    { name: 'The scenarios hold', argv: tests('scenarios'), counts: true, live: true },
    { name: 'The scenarios that mostly wait hold', argv: tests('waiting'), counts: true },
  ],
  [
    {
      name: 'Claims and attacks on connections hold from seats of agents, too',
      argv: tests('seats'),
      counts: true,
      live: true,
    },
  ],
]

function tell(outcome: Outcome): Outcome {
  const failed = outcome.failed.length > 0
  process.stderr.write(`${failed ? '✗' : '✓'} ${outcome.name}  ${(outcome.ms / 1000).toFixed(1)}s\n`)
  if (failed || outcome.telling) process.stderr.write(outcome.output.replace(/^/gm, '    ').trimEnd().concat('\n'))
  return outcome
}

/** A scenario is a folder: a forgotten one, or one without its README, is a failure. */
function scenarioFolders(ran: readonly string[]): Outcome {
  const began = Date.now()
  const scenarios = join(root, 'scenarios')
  const files = existsSync(scenarios) ? readdirSync(scenarios, { recursive: true, withFileTypes: true }) : []
  const claims = files.filter(({ name }) => name.endsWith('.scenario.ts')).map(({ parentPath }) => parentPath)
  const leaves = files
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((folder) => !readdirSync(folder, { withFileTypes: true }).some((entry) => entry.isDirectory()))
  const executed = new Set(ran.map((file) => dirname(file)))
  const output = [
    ...leaves.filter((folder) => !claims.includes(folder)).map((folder) => `${folder} has no *.scenario.ts`),
    ...claims.filter((folder) => !executed.has(folder)).map((folder) => `${folder} did not run`),
    ...claims.filter((folder) => !existsSync(join(folder, 'README.md'))).map((folder) => `${folder} has no README.md`),
  ]
  const name = 'Every scenario folder has its README, and ran'
  const failed = output.length > 0 || claims.length === 0 ? [name] : []
  const passed = failed.length === 0 ? 1 : 0
  return { name, passed, failed, skipped: [], files: [], ms: Date.now() - began, output: output.join('\n') }
}

function printVerdict(outcomes: readonly Outcome[]): void {
  const failed = outcomes.flatMap((outcome) => outcome.failed)
  const skipped = outcomes.flatMap((outcome) => outcome.skipped)
  const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0)
  for (const name of failed) console.log(`failed   ${name}`)
  for (const { name, reason } of skipped) console.log(`skipped  ${name} (${reason})`)
  console.log(`${passed} passed, ${failed.length} failed, ${skipped.length} skipped`)
  process.exitCode = failed.length > 0 ? 1 : 0
}

const outcomes: Outcome[] = []
for (const checks of [together, ...inTurn]) {
  outcomes.push(...(await Promise.all(checks.map(async (check) => tell(await run(check))))))
}
outcomes.push(tell(await guardsAreProvoked(outcomes.flatMap(({ sites = [] }) => sites))))
outcomes.push(tell(scenarioFolders(outcomes.flatMap(({ files }) => files))))
printVerdict(outcomes)
