import type { Site } from '../backends/backend.ts'
import { callerOf } from '../topology/holders.ts'
import { hopsTo } from '../topology/hops.ts'
import type { Listener, Plan, PlanUnit } from '../topology/plan.ts'
import { NotInPlan } from './site-files.ts'

/** Where an action is done: the unit, its kind's action, and the listener that serves it. */
export type Target = ReturnType<typeof targetOf>

/** Finds the unit of a node that offers an action; `at` names another listener of it. @throws NotInPlan */
export function targetOf(site: Pick<Site, 'plan'>, node: string, action: string, at?: string) {
  const planned = site.plan.nodes[node]
  if (!planned) throw new NotInPlan(site, `there is no node ${node}`, Object.keys(site.plan.nodes))
  for (const unit of planned.units) {
    const found = unit.actions?.[action]
    if (!found) continue
    const listener = listenerOf(site, unit, node, at ?? found.listener)
    const { observe } = unit
    const observation = observe && { ...observe, listener: listenerOf(site, unit, node, observe.listener) }
    const { host, domain } = planned
    return {
      ...{ node, host, domain, unit: unit.name, kind: unit.kind, action: found, listener, observation },
      /** How its decisions are seen; absent: it writes decision records. */
      proof: unit.proof,
      /** How the unit judges callers of the action, where its kind says so. */
      verification: unit.verification?.[action],
    }
  }
  const known = planned.units.flatMap((unit) => Object.keys(unit.actions ?? {}))
  throw new NotInPlan(site, `node ${node} offers no action ${action}`, known)
}

/** The process that serves an action; undefined where the site did not start it. */
export function processOf(site: Site, node: string, action: string): number | undefined {
  return pidOf(site, node, targetOf(site, node, action).unit)
}

/** The main process of a unit, as it was started last; undefined where the site did not start it. */
export function pidOf(site: Site, node: string, unit: string): number | undefined {
  const started = site
    .events()
    .findLast((event) => event.event === 'unit-started' && event.node === node && event.unit === unit)
  return started?.event === 'unit-started' ? started.pid : undefined
}

/** Credentials that the plan says are accepted for an action of a node, and who presents them. */
export function acceptedAt(plan: Plan, node: string, action: string) {
  return plan.accepts
    .filter((one) => one.target === node && one.action === action)
    .map((one) => ({ credential: one.credential, caller: callerOf(plan, one) }))
}

export function listenerOf(site: Pick<Site, 'plan'>, unit: PlanUnit, node: string, name: string): Listener {
  const listener = unit.service?.listeners.find((one) => one.name === name)
  if (listener) return listener
  const known = unit.service?.listeners.map((one) => one.name) ?? []
  throw new NotInPlan(site, `unit ${node}/${unit.name} has no listener ${name}`, known)
}

/** Where a call goes that is to come to a target through another node. @throws NotInPlan where that hands none on to it */
export function hopOf(site: Pick<Site, 'plan'>, through: string, { node, action, listener }: Target) {
  const { nodes } = site.plan
  const able = hopsTo(nodes, { node, listener: listener.name })
  const hop = able.find((one) => one.node === through)
  if (hop === undefined) {
    const known = able.map((one) => one.node)
    throw new NotInPlan(site, `${through} hands nothing on to ${node}, where ${action.summary} is done`, known)
  }
  const { host, domain, units } = nodes[through]!
  const unit = units.find(({ name }) => name === hop.unit)!
  return { hop, host, domain, listener: listenerOf(site, unit, through, hop.listener) }
}
