import type { Action } from './kind.ts'
import type { Plan } from './plan.ts'

/** What a caller can do at each node, in the order of the plan. `action` is what `site.call(from, node, action, …)` and `accepts` name. */
export function offeredActions(plan: Plan) {
  return Object.values(plan.nodes).flatMap(({ name: node, units }) =>
    units.flatMap(({ name: unit, actions = {} }) =>
      Object.entries(actions).map(([action, { listener, carrier, demands, summary }]) => {
        return { node, unit, action, listener, presents: presented(carrier, demands), summary }
      }),
    ),
  )
}

/** What the caller has to present, as far as it is declared. */
function presented(carrier: Action['carrier'], demands: Action['demands']): string {
  if (carrier === 'none') return 'certificate'
  return demands?.scope === undefined
    ? 'certificate, and the token if any'
    : `certificate, token of ${demands.scope.join(' ')}`
}
