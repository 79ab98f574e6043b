import type { Plan, PlanUnit, Program, Step } from '../topology/plan.ts'

/** Names of the real programs that a plan runs. */
export function neededTools(plan: Plan): string[] {
  const programs = Object.values(plan.nodes).flatMap((node) => node.units.flatMap(programsOf))
  return [...new Set(programs.flatMap((program) => ('tool' in program ? [program.tool] : [])))]
}

function programsOf(unit: PlanUnit): Program[] {
  const own = unit.service?.command === undefined ? [] : [unit.service.command.program]
  return [...own, ...unit.steps.flatMap(programsOfStep)]
}

function programsOfStep(step: Step): Program[] {
  if ('run' in step) return [step.run.program]
  return 'parallel' in step ? step.parallel.flat().flatMap(programsOfStep) : []
}

/**
 * Nodes by when their agents are needed: those on which some unit waits for nothing, then the others. Agents of the second kind
 * would only take processor time from what they wait for.
 */
export function nodesByNeed(plan: Plan): { first: string[]; later: string[] } {
  const waits = (node: string) => plan.nodes[node]?.units.every((unit) => unit.after.length > 0) ?? true
  const nodes = Object.keys(plan.nodes)
  return { first: nodes.filter((node) => !waits(node)), later: nodes.filter(waits) }
}
