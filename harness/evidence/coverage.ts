import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { referenceProgram } from '../topology/holders.ts'
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
  /** Declared by the kind of a program that is none of our services: it cannot be taken out. */
  readonly isForeign?: true
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
  /** Runs that left no record, for their worker died: what they refused is not known, and not in any of these counts. */
  readonly unrecorded: readonly ScenarioEvidence[]
}

interface Count {
  readonly covered: number
  readonly declared: number
}

/** Reasons of each guard of a service, by the guard's id. */
export type Guards = Readonly<Record<string, readonly string[]>>

/** Joins what a run refused with what its services declare. `declarationsOf` is asked once for each service. */
export async function guardCoverage(
  evidence: readonly ScenarioEvidence[],
  declarationsOf: (service: string) => Promise<Guards>,
): Promise<GuardCoverage> {
  const services = new Map<string, Guards | undefined>()
  const refusals: Refusal[] = []
  const unrecorded: ScenarioEvidence[] = []
  for (const scenario of evidence) {
    const record = await recordIn(scenario.folder)
    if (record === undefined) unrecorded.push(scenario)
    else refusals.push(...refusalsIn(scenario.file, record, services))
  }
  const byKey = Map.groupBy(refusals, ({ key }) => key)
  const filesOf = sorter(refusals)
  const usesOf = async ([service, planned]: readonly [string, Guards | undefined]) =>
    Object.entries(planned ?? (await declarationsOf(service))).map(([guard, declared]) => {
      const provoked = declared.map((name) => ({ name, by: byKey.get(`${service}/${guard} ${name}`) ?? [] }))
      const reasons = provoked.map(({ name, by }) => ({ name, scenarios: filesOf(by) }))
      const scenarios = filesOf(provoked.flatMap(({ by }) => by))
      return { service, guard, ...(planned !== undefined && { isForeign: true as const }), scenarios, reasons }
    })
  const uses = (await Promise.all([...services].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(usesOf))).flat()
  const known = new Set(uses.flatMap((use) => use.reasons.map(({ name }) => `${use.service}/${use.guard} ${name}`)))
  return {
    guards: countOf(uses),
    reasons: countOf(uses.flatMap((use) => use.reasons)),
    uses,
    undeclared: [...byKey.keys()].filter((key) => !known.has(key)).toSorted(),
    unrecorded,
  }
}

function countOf(things: readonly { scenarios: readonly string[] }[]): Count {
  return { covered: things.filter(({ scenarios }) => scenarios.length > 0).length, declared: things.length }
}

/** One refusal in a scenario file; `key`: `orchestrator/token.binding cnf_missing`. */
interface Refusal {
  readonly key: string
  readonly file: string
}

/** Tells the files of some refusals, those first in which they are the largest share of all. */
function sorter(all: readonly Refusal[]): (some: readonly Refusal[]) => string[] {
  const totals = Map.groupBy(all, ({ file }) => file)
  return (some) => {
    const shares = [...Map.groupBy(some, ({ file }) => file)].map(([file, own]) => {
      return { file, share: own.length / totals.get(file)!.length }
    })
    return shares.toSorted((a, b) => b.share - a.share || a.file.localeCompare(b.file)).map(({ file }) => file)
  }
}

interface RunText {
  readonly plan: string
  readonly history: string
}

/** What a run wrote down; undefined where its worker died before it could. */
async function recordIn(folder: string): Promise<RunText | undefined> {
  try {
    const read = (name: string) => readFile(join(folder, name), 'utf8')
    return { plan: await read('plan.json'), history: await read(historyFile) }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw cause
  }
}

/** What was refused in a scenario. Enters the services that were there to refuse, with the guards that their plan declares. */
function refusalsIn(file: string, record: RunText, services: Map<string, Guards | undefined>): Refusal[] {
  const plan = JSON.parse(record.plan) as Plan
  const serviceOf = new Map<string, string>()
  for (const { name: node, units } of Object.values(plan.nodes)) {
    for (const unit of units) {
      // Units whose kind declares guards count by that kind.
      const own = referenceProgram(unit)
      const service = own ?? (unit.guards && unit.kind)
      if (service === undefined) continue
      serviceOf.set(`${node}/${unit.name}`, service)
      services.set(service, (own === undefined ? unit.guards : undefined) ?? services.get(service))
    }
  }
  return refusedIn(record.history).flatMap(({ node, unit, guard, reason }) => {
    // A service may write its own name where the plan gave its unit another one.
    const service = serviceOf.get(`${node}/${unit}`) ?? (services.has(unit) ? unit : undefined)
    return service === undefined ? [] : { key: `${service}/${guard} ${reason}`, file }
  })
}

function refusedIn(history: string) {
  return history.split('\n').flatMap((line) => {
    // Most lines are logs, and a history is long: only what may matter is parsed.
    if (!line.includes('"kind":"decision"') || !line.includes('"refused"')) return []
    const entry = JSON.parse(line) as HistoryLine
    return entry.kind === 'decision' && entry.decision.verdict === 'refused' ? [entry.decision] : []
  })
}

/** `guards covered 37 of 39 (reasons 60 of 99) of auth-server, orchestrator`; undefined when no service of the run declares any. */
export function coverageText({ guards, reasons, uses, unrecorded }: GuardCoverage): string | undefined {
  if (guards.declared === 0) return undefined
  const whose = [...new Set(uses.map(({ service }) => service))].join(', ')
  const without = unrecorded.length > 0 ? `, without ${unrecorded.length} of the runs, which left no record` : ''
  return `guards covered ${guards.covered} of ${guards.declared} (reasons ${reasons.covered} of ${reasons.declared}) of ${whose}${without}`
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
