import type { NewRequest } from '../pki/request.ts'
import type { Enrol, Plan, PlanNode, Step } from '../topology/plan.ts'

/** Resolved when the agents of a process have, for the first time, nothing to do but to wait. */
export type FirstPause = PromiseWithResolvers<void>

/**
 * Work that a hand-over will need, done while the node waits for others: the key and request of an enrolment do not depend
 * on the CA, and loading what makes them takes longer than making them.
 */
export class WorkAhead {
  readonly #requests = new Map<Enrol, Promise<NewRequest>>()
  readonly #signs: boolean
  readonly #pause: FirstPause

  constructor(plan: Plan, node: PlanNode, pause: FirstPause) {
    this.#pause = pause
    this.#signs = Object.values(plan.trustDomains).some((domain) => domain.ca === node.name)
    for (const enrol of node.units.flatMap((unit) => unit.steps.flatMap(enrolmentsOf))) {
      const request = pause.promise.then(() => makeRequest(enrol))
      // Reported when the unit takes it.
      request.catch(() => {})
      this.#requests.set(enrol, request)
    }
  }

  /** A request that nobody else gets. */
  takeRequest(enrol: Enrol): Promise<NewRequest> {
    this.#pause.resolve()
    const request = this.#requests.get(enrol) ?? makeRequest(enrol)
    this.#requests.delete(enrol)
    return request
  }

  /** A program of this node was spawned: while it works there is time. Loading earlier would hold its start up. */
  programSpawned(): void {
    this.#pause.resolve()
    if (this.#signs) void import('jose')
  }
}

async function makeRequest(enrol: Enrol): Promise<NewRequest> {
  return (await import('../pki/request.ts')).newRequest(enrol)
}

function enrolmentsOf(step: Step): Enrol[] {
  if ('enrol' in step) return [step.enrol]
  return 'parallel' in step ? step.parallel.flat().flatMap(enrolmentsOf) : []
}
