import type { Plan, PlanUnit, Program, Step } from '../topology/plan.ts'

/** Names of the real programs that a plan runs. */
export function neededTools(plan: Plan): string[] {
  const programs = Object.values(plan.nodes).flatMap((node) => node.units.flatMap(programsOf))
  return [...new Set(programs.flatMap((program) => ('tool' in program ? [program.tool] : [])))]
}

function programsOf(unit: PlanUnit): Program[] {
  const own = unit.service === undefined ? [] : [unit.service.command.program]
  return [...own, ...unit.steps.flatMap(programsOfStep)]
}

function programsOfStep(step: Step): Program[] {
  if ('run' in step) return [step.run.program]
  return 'parallel' in step ? step.parallel.flat().flatMap(programsOfStep) : []
}

/** Nodes in the order in which their agents are needed: those first on which a unit waits for nothing. */
export function nodesInStartOrder(plan: Plan): string[] {
  const waits = (node: string) => plan.nodes[node]?.units.every((unit) => unit.after.length > 0) ?? true
  return Object.keys(plan.nodes).sort((a, b) => Number(waits(a)) - Number(waits(b)))
}
