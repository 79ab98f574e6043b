import type { Compilation } from './compilation.ts'
import type { PlanNode, PlanUnit, Program, Step, ToolProgram } from './plan.ts'

/** The real programs that a unit runs, and those that its programs start themselves. */
export function toolsOf(unit: PlanUnit): ToolProgram[] {
  return programsOf(unit).flatMap((program) => {
    if ('tool' in program) return program
    return 'service' in program ? (program.starts ?? []) : []
  })
}

function programsOf(unit: PlanUnit): Program[] {
  const own = unit.service?.command === undefined ? [] : [unit.service.command.program]
  return [...own, ...unit.steps.flatMap(programsOfStep)]
}

function programsOfStep(step: Step): Program[] {
  if ('run' in step) return [step.run.program]
  return 'parallel' in step ? step.parallel.flat().flatMap(programsOfStep) : []
}

/** Reports the path of a program in what a unit writes or runs, where nothing says that it needs that program: it might not be there. */
export function checkTools({ mistakes }: Compilation, nodes: Readonly<Record<string, PlanNode>>): void {
  for (const { name: node, units } of Object.values(nodes)) {
    for (const unit of units) {
      const needed = new Set(toolsOf(unit).map(({ tool }) => tool))
      const { files, steps, service } = unit
      const named = JSON.stringify({ files, steps, service }).matchAll(/@\{tool:([^}"]*)\}/g)
      for (const tool of new Set([...named].map(([, tool]) => tool as string))) {
        if (needed.has(tool)) continue
        mistakes.add(
          ['nodes', node, 'units', unit.name],
          `names @{tool:${tool}}, and none of its programs starts ${tool}`,
          `let its kind say so: program: { service: …, starts: [{ tool: ${JSON.stringify(tool)} }] }`,
        )
      }
    }
  }
}
