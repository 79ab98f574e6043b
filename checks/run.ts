import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { spentBy } from './budget.ts'
import { type Check, type Outcome, program, root, run, script, tests } from './check.ts'
import { guardsAreProvoked } from './guards.ts'
import { otherGround, parityCheck, parityHolds } from './parity.ts'
import { partsOf } from './parts.ts'
import { systems, systemsAsked } from './systems.ts'
import { waitingFiles } from './waiting.ts'

/** Side by side: none of them needs more than one core for long. */
const together: readonly Check[] = [
  { name: 'The types are sound', argv: program('tsc') },
  { name: 'Style and formatting hold', argv: program('biome', 'check', '.') },
  { name: 'Imports run one way', argv: script('checks/imports/main.ts') },
  { name: 'Each service can be one file', argv: script('checks/bundle.ts') },
  { name: 'The programs that every topology needs are here', argv: script('checks/toolchain.ts'), live: true },
]

/** Last, and side by side: neither measures times, and one program that evaluates leaves a core to machines. */
const elsewhere: readonly Check[] = [
  { name: 'The Nix side holds, in its sandbox too', argv: tests('nix'), counts: true, live: true },
  { name: 'Nodes can be virtual machines', argv: tests('vm'), counts: true, live: true },
]

/**
 * Shown as they go. The unit tests wait for programs most of the time and the package check uses one core, so these two share the
 * cores; the scenarios measure times, and have them for themselves, but for others that mostly wait.
 */
async function inTurn(asked: readonly string[], repeated: readonly Check[]): Promise<readonly (readonly Check[])[]> {
  const folders = asked.map((system) => `scenarios/${system}/`)
  const waits = waitingFiles().some((file) => asked.length === 0 || folders.some((folder) => file.startsWith(folder)))
  const waiting = { name: 'The scenarios that mostly wait hold', argv: tests('waiting', folders), counts: true }
  const unit = { ...(await unitTests(asked)), counts: true, live: true }
  const packed = { name: 'The packed package works where it is installed', argv: script('checks/package/try.ts') }
  return [
    asked.length === 0 ? [unit, packed] : [unit],
    [
      { name: 'The scenarios hold', argv: tests('scenarios', folders), counts: true, live: true },
      ...(waits ? [waiting] : []),
    ],
    repeated,
    asked.length === 0 ? elsewhere : [],
  ]
}

/** All, or those of the parts of systems: what all systems have in common is tested with all of them. */
async function unitTests(asked: readonly string[]): Promise<Check> {
  if (asked.length === 0) return { name: 'The unit tests and the conformance suite pass', argv: tests('unit') }
  const parts = (await Promise.all(asked.map(partsOf))).flatMap((all) => Object.values(all).flat())
  const folders = [...parts, 'services/shared', ...asked.map((system) => `scenarios/${system}`)].map((one) => `${one}/`)
  return { name: `The unit tests of the parts of ${asked.join(', ')} pass`, argv: tests('unit', folders) }
}

function tell(outcome: Outcome): Outcome {
  const failed = outcome.failed.length > 0
  process.stderr.write(`${failed ? '✗' : '✓'} ${outcome.name}  ${(outcome.ms / 1000).toFixed(1)}s\n`)
  if (failed || outcome.telling) process.stderr.write(outcome.output.replace(/^/gm, '    ').trimEnd().concat('\n'))
  return outcome
}

/** A scenario is a folder: a forgotten one, or one without its README, is a failure. */
function scenarioFolders(ran: readonly string[], asked: readonly string[]): Outcome {
  const began = Date.now()
  const folders = (asked.length === 0 ? systems() : asked).map((system) => join(root, 'scenarios', system))
  const files = folders.flatMap((folder) => readdirSync(folder, { recursive: true, withFileTypes: true }))
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
  const mistakes = claims.length === 0 ? [...output, 'there is no scenario'] : output
  return { ...outcome('Every scenario folder has its README, and ran', mistakes), ms: Date.now() - began }
}

/** What the scenarios of each system may cost. */
function budgetsAreKept(cpu: NonNullable<Outcome['cpu']>): Outcome {
  const name = 'Every system keeps to its budget of CPU time'
  const spent = spentBy(cpu, root)
  if (spent === undefined) {
    return {
      ...outcome(name, []),
      passed: 0,
      skipped: [{ name, reason: 'this machine tells no CPU time of a process' }],
    }
  }
  return { ...outcome(name, spent.mistakes), output: [...spent.lines, ...spent.mistakes].join('\n'), telling: true }
}

function outcome(name: string, mistakes: readonly string[]): Outcome {
  const output = mistakes.join('\n')
  const failed = mistakes.length > 0 ? [{ name, reason: output }] : []
  return { name, passed: 1 - failed.length, failed, skipped: [], files: [], ms: 0, output }
}

function printVerdict(outcomes: readonly Outcome[]): void {
  const failed = outcomes.flatMap((outcome) => outcome.failed)
  const skipped = outcomes.flatMap((outcome) => outcome.skipped)
  const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0)
  for (const { name, reason } of skipped) console.log(`skipped  ${name} (${reason})`)
  // Last, and with its beginning told: a log is read from its end, and often cut before it.
  for (const { name, reason } of failed) {
    const lines = reason.split('\n').filter((line) => line.trim() !== '')
    console.log([`failed   ${name}`, ...lines.slice(0, 12)].join('\n         '))
  }
  console.log(`${passed} passed, ${failed.length} failed, ${skipped.length} skipped`)
  process.exitCode = failed.length > 0 ? 1 : 0
}

function systemsAskedFor(): readonly string[] {
  try {
    return systemsAsked(process.argv.slice(2))
  } catch (failure) {
    process.stderr.write(`error: ${(failure as Error).message}\n`)
    return process.exit(2)
  }
}

const asked = systemsAskedFor()
const ground = await otherGround()
/** Scenarios that have run already, some of their tests once more. */
const repeated = asked.length === 0 ? [parityCheck(ground)] : []
const outcomes: Outcome[] = []
for (const checks of [together, ...(await inTurn(asked, repeated))]) {
  outcomes.push(...(await Promise.all(checks.map(async (check) => tell(await run(check))))))
}
// Guards are provoked by the scenarios of all systems together.
if (asked.length === 0) outcomes.push(tell(await guardsAreProvoked(outcomes.flatMap(({ sites = [] }) => sites))))
const isRepeated = ({ name }: Outcome) => repeated.some((check) => check.name === name)
const once = outcomes.filter((one) => !isRepeated(one))
for (const there of outcomes.filter(isRepeated)) outcomes.push(tell(parityHolds(once, there, ground)))
const ran = once.flatMap(({ files }) => files)
outcomes.push(tell(budgetsAreKept(once.flatMap(({ cpu = [] }) => cpu))))
outcomes.push(tell(scenarioFolders(ran, asked)))
printVerdict(outcomes)
