import type { Action } from './kind.ts'
import type { Plan } from './plan.ts'

/** One thing that a caller can do at a node. */
export interface OfferedAction {
  readonly node: string
  readonly unit: string
  /** What `site.call(from, node, action, …)` and `accepts` name. */
  readonly action: string
  readonly listener: string
  /** What the caller has to present, as far as it is declared. */
  readonly presents: string
  readonly summary: string
}

/** What can be done at each node, in the order of the plan. */
export function offeredActions(plan: Plan): OfferedAction[] {
  return Object.values(plan.nodes).flatMap(({ name: node, units }) =>
    units.flatMap(({ name: unit, actions = {} }) =>
      Object.entries(actions).map(([action, { listener, carrier, demands, summary }]) => {
        return { node, unit, action, listener, presents: presented(carrier, demands), summary }
      }),
    ),
  )
}

function presented(carrier: Action['carrier'], demands: Action['demands']): string {
  if (carrier === 'none') return 'certificate'
  return demands?.scope === undefined
    ? 'certificate, and the token if any'
    : `certificate, token of ${demands.scope.join(' ')}`
}
