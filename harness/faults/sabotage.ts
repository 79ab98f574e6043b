import { fileURLToPath } from 'node:url'
import type { Plan } from '../topology/plan.ts'

/** A guard of a service: `orchestrator/token.binding`. */
export type GuardRef = `${string}/${string}`

/**
 * Environment, by `node/unit`, that takes one guard out of every unit of the service: the scenarios that cover the guard must
 * turn red. Hand it to `launch` as `env`. Throws when no unit of the plan runs that service.
 */
export function sabotageEnvironment(plan: Plan, removed: GuardRef): Record<string, Record<string, string>> {
  const [service, ...rest] = removed.split('/')
  const hook = fileURLToPath(new URL('guard-removal.mjs', import.meta.url))
  const environment: Record<string, Record<string, string>> = {}
  for (const node of Object.values(plan.nodes)) {
    for (const unit of node.units) {
      const program = unit.service?.command.program
      if (program === undefined || !('service' in program) || program.service !== service) continue
      environment[`${node.name}/${unit.name}`] = {
        NODE_OPTIONS: `--import ${hook}`,
        HOLDFAST_REMOVED_GUARD: rest.join('/'),
      }
    }
  }
  return environment
}
