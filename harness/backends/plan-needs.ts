import { HoldfastError } from '../errors.ts'
import type { HelperName } from '../toolchain/survey.ts'
import { isBuilt, type ToolName } from '../toolchain/tools.ts'
import type { Plan, PlanUnit } from '../topology/plan.ts'
import { toolsOf } from '../topology/programs.ts'
import type { Capabilities, LaunchOptions } from './backend.ts'

/**
 * Names of the real programs that a plan runs: as anybody builds them, and with the overlay of the toolchain. That takes those that
 * dial hosts of the plan, but for nodes with hosts files of their own; where clocks can be moved, all, but for nodes with kernels of their own.
 * Those that are not built go by libc, which is led otherwise.
 */
export function neededTools(
  plan: Plan,
  {
    clock,
    ownHosts = false,
    ownKernel = false,
  }: Pick<LaunchOptions, 'clock'> & Pick<Capabilities, 'ownHosts' | 'ownKernel'> = {},
): { plain: ToolName[]; overlay: ToolName[] } {
  const tools = Object.values(plan.nodes).flatMap((node) => node.units.flatMap(toolsOf))
  const namesOf = (some: typeof tools) => new Set(some.map(({ tool }) => tool as ToolName))
  const isLed = ({ dials }: (typeof tools)[number]) => (dials && !ownHosts) || (clock === 'movable' && !ownKernel)
  const overlay = namesOf(tools.filter((one) => isBuilt(one.tool as ToolName) && isLed(one)))
  return { plain: [...namesOf(tools)].filter((name) => !overlay.has(name)), overlay: [...overlay] }
}

/** This machine lacks a program that units of a plan run, and that nobody builds. Code `HOLDFAST_PROGRAM_MISSING`. */
export class ProgramMissing extends HoldfastError {
  constructor(units: readonly string[], lacking: string) {
    super('HOLDFAST_PROGRAM_MISSING', `${units.join(', ')}: ${lacking}`)
  }
}

/** @throws ProgramMissing */
export async function demandPrograms({ nodes }: Plan): Promise<void> {
  const needing = Object.values(nodes).flatMap(({ name: node, units }) =>
    units.flatMap(({ name, machine }) => (machine === undefined ? [] : [{ ref: `${node}/${name}`, machine }])),
  )
  if (needing.length === 0) return
  const { lackingPrograms } = await import('../toolchain/survey.ts')
  const lacking = await lackingPrograms(needing.flatMap(({ machine }) => machine) as HelperName[])
  if (lacking !== undefined) {
    const names = needing.map(({ ref }) => ref)
    throw new ProgramMissing(names, lacking)
  }
}

/** The same plan for agents that are root: programs that refuse to be that run as another. */
export function withUsers(plan: Plan): Plan {
  const isHeld = ({ user, userUnderRoot }: PlanUnit) => user === undefined && userUnderRoot !== undefined
  if (!someUnit(plan, isHeld)) return plan
  const changed = (unit: PlanUnit) => (isHeld(unit) ? { ...unit, user: unit.userUnderRoot as string } : unit)
  const nodes = Object.entries(plan.nodes).map(([name, node]) => [name, { ...node, units: node.units.map(changed) }])
  return { ...plan, nodes: Object.fromEntries(nodes) }
}

/** Whether programs of some unit have shared memory in a namespace of their own. */
export function hasOwnIpc(plan: Plan): boolean {
  return someUnit(plan, ({ ownIpc }) => ownIpc === true)
}

/** Whether some unit runs as an operating-system user of its own. */
export function hasUsers(plan: Plan): boolean {
  return someUnit(plan, ({ user }) => user !== undefined)
}

function someUnit({ nodes }: Plan, is: (unit: PlanUnit) => boolean): boolean {
  return Object.values(nodes).some(({ units }) => units.some(is))
}

/**
 * Nodes by when their agents are needed: those on which some unit waits for nothing, then the others. Agents of the second kind
 * would only take processor time from what they wait for.
 */
export function nodesByNeed({ nodes }: Plan): { first?: string[]; later?: string[] } {
  return Object.groupBy(Object.keys(nodes), (node) =>
    nodes[node]!.units.every(({ after, start }) => after.length > 0 || start !== undefined) ? 'later' : 'first',
  )
}
