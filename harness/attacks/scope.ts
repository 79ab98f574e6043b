import type { Plan } from '../topology/plan.ts'
import type { Attack } from './attack.ts'
import { type Choice, chosenAttacks } from './catalogue.ts'
import { type AttackTarget, isOnAction, targetsOf } from './surfaces.ts'

export interface ScopeOptions extends Choice {
  /** Names of nodes, or of a node and an action: `node-a`, `node-a peering:connect`. */
  readonly targets?: readonly string[]
  /** Targets that are alike are all tried, not one of each kind. */
  readonly full?: boolean
  readonly clock?: 'movable'
}

/** One attack of the catalogue on one topology: where it is tried, or why nowhere. */
export interface Scope {
  readonly attack: Attack
  readonly targets: readonly AttackTarget[]
  /** Targets that are left out because they are like one that is tried. */
  readonly alike: readonly AttackTarget[]
  /** Why it is tried nowhere. */
  readonly why?: string
}

/** What is tried where, for everything that is chosen. */
export function scopesOf(plan: Plan, options: ScopeOptions = {}): Scope[] {
  const all = targetsOf(plan, options)
  const wanted = all.filter(
    ({ name, node }) =>
      options.targets === undefined || options.targets.includes(name) || options.targets.includes(node),
  )
  return chosenAttacks(options).map((attack) => scopeOf(attack, wanted, options.full ?? false))
}

function scopeOf(attack: Attack, all: readonly AttackTarget[], full: boolean): Scope {
  if (attack.notHere !== undefined) return { attack, targets: [], alike: [], why: attack.notHere }
  const level = all.filter(({ name, node }) => (name !== node) === isOnAction(attack.needs))
  const able = level.filter(({ surfaces }) => attack.needs.every((need) => surfaces.has(need)))
  if (able.length === 0) return { attack, targets: [], alike: [], why: whyNowhere(attack, level) }
  const targets = full ? able : [...Map.groupBy(able, ({ likeness }) => likeness).values()].map(([first]) => first!)
  return { attack, targets, alike: able.filter((one) => !targets.includes(one)) }
}

/** The first need that no target has; else that no single one has them all. */
function whyNowhere({ needs }: Attack, targets: readonly AttackTarget[]): string {
  const missing = needs.find((need) => !targets.some(({ surfaces }) => surfaces.has(need)))
  return missing === undefined ? `no target has all of ${needs.join(', ')}` : `no target has ${missing}`
}
