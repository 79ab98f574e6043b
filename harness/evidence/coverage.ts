import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Plan } from '../topology/plan.ts'
import { type HistoryLine, historyFile } from './history.ts'

/** The evidence of one scenario file: where its site kept what happened on it. */
export interface ScenarioEvidence {
  /** Path of the scenario file, as reports name it. */
  readonly file: string
  /** Folder of evidence. */
  readonly folder: string
}

/** One guard, or one reason of it, with the scenario files that provoked it. Those that are about little else come first. */
interface Provoked {
  readonly name: string
  readonly scenarios: readonly string[]
}

export interface GuardUse {
  readonly service: string
  /** `token.binding`. */
  readonly guard: string
  readonly scenarios: readonly string[]
  readonly reasons: readonly Provoked[]
}

/** Which guards of the services that were in a run refused something, and which did not. */
export interface GuardCoverage {
  readonly guards: Count
  readonly reasons: Count
  readonly uses: readonly GuardUse[]
  /** Refusals whose guard or reason its service does not declare: `auth-server/request.handler server_error`. */
  readonly undeclared: readonly string[]
}

interface Count {
  readonly covered: number
  readonly declared: number
}

/** Reasons of each guard, by service and guard. */
type Declarations = ReadonlyMap<string, Readonly<Record<string, readonly string[]>>>

/** Refusals by service, guard, reason and scenario file; and the services that were there to refuse. */
interface Refusals {
  readonly services: ReadonlySet<string>
  /** Guards of kinds that declare them in the plan, by kind. */
  readonly planned: Declarations
  /** `orchestrator/token.binding cnf_missing`, then files with how often. */
  readonly counts: ReadonlyMap<string, ReadonlyMap<string, number>>
}

/** Joins what a run refused with what its services declare. `declarationsOf` is asked once for each service. */
export async function guardCoverage(
  evidence: readonly ScenarioEvidence[],
  declarationsOf: (service: string) => Promise<Readonly<Record<string, readonly string[]>>>,
): Promise<GuardCoverage> {
  const refusals = await refusalsIn(evidence)
  const services = [...refusals.services].toSorted()
  const declared = await Promise.all(
    services.map(async (name) => [name, refusals.planned.get(name) ?? (await declarationsOf(name))] as const),
  )
  return coverageOf(refusals, new Map(declared))
}

function coverageOf({ counts }: Refusals, declarations: Declarations): GuardCoverage {
  const known = new Set<string>()
  const uses: GuardUse[] = []
  for (const [service, guards] of declarations) {
    for (const [guard, declared] of Object.entries(guards)) {
      const keys = declared.map((reason) => `${service}/${guard} ${reason}`)
      for (const key of keys) known.add(key)
      const reasons = declared.map((name, at) => ({ name, scenarios: filesOf([keys[at] ?? ''], counts) }))
      uses.push({ service, guard, scenarios: filesOf(keys, counts), reasons })
    }
  }
  const reasons = uses.flatMap((use) => use.reasons)
  return {
    guards: countOf(uses),
    reasons: countOf(reasons),
    uses,
    undeclared: [...counts.keys()].filter((key) => !known.has(key)).toSorted(),
  }
}

function countOf(things: readonly { scenarios: readonly string[] }[]): Count {
  return { covered: things.filter(({ scenarios }) => scenarios.length > 0).length, declared: things.length }
}

function filesOf(keys: readonly string[], counts: Refusals['counts']): string[] {
  const all = sumByFile(counts.values())
  const these = sumByFile(keys.flatMap((key) => counts.get(key) ?? []))
  const shares = [...these].map(([file, count]) => ({ file, share: count / (all.get(file) ?? count) }))
  return shares.toSorted((a, b) => b.share - a.share || a.file.localeCompare(b.file)).map(({ file }) => file)
}

function sumByFile(counts: Iterable<ReadonlyMap<string, number>>): Map<string, number> {
  const sums = new Map<string, number>()
  for (const files of counts) for (const [file, count] of files) sums.set(file, (sums.get(file) ?? 0) + count)
  return sums
}

async function refusalsIn(evidence: readonly ScenarioEvidence[]): Promise<Refusals> {
  const services = new Set<string>()
  const planned = new Map<string, Readonly<Record<string, readonly string[]>>>()
  const counts = new Map<string, Map<string, number>>()
  for (const { file, folder } of evidence) {
    const serviceOf = await servicesOf(folder, planned)
    for (const service of serviceOf.values()) services.add(service)
    for (const decision of await refusedIn(folder)) {
      // A service may write its own name where the plan gave its unit another one.
      const own = services.has(decision.unit) ? decision.unit : undefined
      const service = serviceOf.get(`${decision.node}/${decision.unit}`) ?? own
      if (service === undefined) continue
      const key = `${service}/${decision.guard} ${decision.reason}`
      const files = counts.get(key) ?? new Map<string, number>()
      files.set(file, (files.get(file) ?? 0) + 1)
      counts.set(key, files)
    }
  }
  return { services, planned, counts }
}

/**
 * Which of our services a unit is, by `node/unit`, as the plan of the run says. Units whose kind declares guards count by that
 * kind, and are entered into `planned`.
 */
async function servicesOf(
  folder: string,
  planned: Map<string, Readonly<Record<string, readonly string[]>>>,
): Promise<ReadonlyMap<string, string>> {
  const plan = JSON.parse(await readFile(join(folder, 'plan.json'), 'utf8')) as Plan
  const services = new Map<string, string>()
  for (const node of Object.values(plan.nodes)) {
    for (const unit of node.units) {
      const program = unit.service?.command?.program
      if (program !== undefined && 'service' in program) services.set(`${node.name}/${unit.name}`, program.service)
      else if (unit.guards !== undefined) {
        services.set(`${node.name}/${unit.name}`, unit.kind)
        planned.set(unit.kind, unit.guards)
      }
    }
  }
  return services
}

async function refusedIn(folder: string) {
  const text = await readFile(join(folder, historyFile), 'utf8')
  return text.split('\n').flatMap((line) => {
    // Most lines are logs, and a history is long: only what may matter is parsed.
    if (!line.includes('"kind":"decision"') || !line.includes('"refused"')) return []
    const entry = JSON.parse(line) as HistoryLine
    return entry.kind === 'decision' && entry.decision.verdict === 'refused' ? [entry.decision] : []
  })
}

/** `guards covered 37 of 39 (reasons 60 of 99) of auth-server, orchestrator`; undefined when no service of the run declares any. */
export function coverageText({ guards, reasons, uses }: GuardCoverage): string | undefined {
  if (guards.declared === 0) return undefined
  const whose = [...new Set(uses.map(({ service }) => service))].join(', ')
  return `guards covered ${guards.covered} of ${guards.declared} (reasons ${reasons.covered} of ${reasons.declared}) of ${whose}`
}

/** Guards that nothing provoked, as `service/guard`. */
export function uncoveredGuards({ uses }: GuardCoverage): string[] {
  return uses.filter(({ scenarios }) => scenarios.length === 0).map(({ service, guard }) => `${service}/${guard}`)
}

/** Reasons that nothing provoked, as `service/guard reason`. */
export function uncoveredReasons({ uses }: GuardCoverage): string[] {
  return uses.flatMap(({ service, guard, reasons }) =>
    reasons.filter(({ scenarios }) => scenarios.length === 0).map(({ name }) => `${service}/${guard} ${name}`),
  )
}
