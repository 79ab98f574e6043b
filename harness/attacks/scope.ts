import { HoldfastError } from '../errors.ts'
import type { Plan } from '../topology/plan.ts'
import { type Attack, type Family, type Variant, whyUntried } from './attack.ts'
import { type AttackTarget, isOnAction, targetsOf } from './surfaces.ts'

/** Nothing in the catalogue, or in the topology, is called so. Code `HOLDFAST_ATTACK_UNKNOWN`. */
export class AttackUnknown extends HoldfastError {
  constructor(what: string, name: string, known: readonly string[]) {
    super('HOLDFAST_ATTACK_UNKNOWN', `there is no ${what} called "${name}"; there is ${known.join(', ')}`)
  }
}

/** The attacks that are meant, in the order of the catalogue. @throws AttackUnknown */
export function chosenAttacks(families: readonly Family[], { families: wanted, cases }: ScopeOptions = {}): Attack[] {
  const names = families.map(({ name }) => name)
  const strange = wanted?.find((name) => !names.includes(name))
  if (strange !== undefined) throw new AttackUnknown('family of attacks', strange, names)
  const attacks = families
    .filter(({ name }) => wanted === undefined || wanted.includes(name))
    .flatMap((family) => family.attacks)
  const ids = attacks.map(({ id }) => id)
  const missing = cases?.find((id) => !ids.includes(id))
  if (missing !== undefined) throw new AttackUnknown('attack', missing, [`${ids[0]} … ${ids.at(-1)}`])
  return attacks.filter(({ id }) => cases === undefined || cases.includes(id))
}

/** Which attacks are meant, and where. Nothing given: all, everywhere. */
export interface ScopeOptions {
  /** Names of families. */
  readonly families?: readonly string[]
  /** Ids of cases. */
  readonly cases?: readonly string[]
  /** Names of nodes, or of a node and an action: `node-a`, `node-a peering:connect`. */
  readonly targets?: readonly string[]
  /** Targets that are alike are all tried, not one of each kind. */
  readonly full?: boolean
  readonly clock?: 'movable'
}

/** One attack of the catalogue on one topology: what is tried where, and what is not. */
export interface Scope {
  readonly attack: Attack
  readonly trials: readonly Trial[]
  /** Why it is tried nowhere. */
  readonly why?: string
  /** Variants that are tried nowhere while others of it are, each with the reason. */
  readonly untried: readonly { readonly name: string; readonly why: string }[]
}

/** One variant on one target. */
export interface Trial {
  readonly name: string
  readonly variant: Variant
  readonly target: AttackTarget
  /** Targets that are left out because they are like this one. */
  readonly alike: readonly AttackTarget[]
}

/** What is tried where, for everything that is chosen. @throws AttackUnknown */
export function scopesOf(families: readonly Family[], plan: Plan, options: ScopeOptions = {}): Scope[] {
  const all = targetsOf(plan, options)
  const known = [...new Set([...Object.keys(plan.nodes), ...all.map(({ name }) => name)])]
  const strange = options.targets?.find((name) => !known.includes(name))
  if (strange !== undefined) throw new AttackUnknown('target', strange, known)
  const { targets = known } = options
  const wanted = all.filter(({ name, node }) => targets.includes(name) || targets.includes(node))
  return chosenAttacks(families, options).map((attack) => scopeOf(attack, wanted, options.full ?? false))
}

function scopeOf(attack: Attack, targets: readonly AttackTarget[], full: boolean): Scope {
  const why = whyUntried(attack)
  if (why !== undefined) return { attack, trials: [], untried: [], why }
  const untried: Scope['untried'][number][] = []
  const trials = Object.entries(attack.variants).flatMap(([name, variant]) => {
    const needs = needsOf(attack, variant)
    const able = ofLevel(targets, needs).filter(({ surfaces }) => needs.every((need) => surfaces.has(need)))
    if (able.length === 0) untried.push({ name, why: whyNowhere(needs, targets) })
    const classes = full ? able.map((one) => [one]) : [...Map.groupBy(able, ({ likeness }) => likeness).values()]
    return classes.map(([target, ...alike]) => ({ name, variant: variantAt(target!, variant), target: target!, alike }))
  })
  if (trials.length > 0) return { attack, trials, untried }
  const isOpen = Object.values(attack.variants).every(({ leftOpen }) => leftOpen !== undefined)
  const needs: readonly string[] = isOpen ? [...attack.needs, 'strict-verifier'] : attack.needs
  return { attack, trials, untried: [], why: whyNowhere(needs, targets) }
}

/** The variant with what must come of it there. */
function variantAt({ surfaces }: AttackTarget, variant: Variant): Variant {
  const [other] = Object.entries(variant.at ?? {}).filter(([surface]) => surfaces.has(surface))
  return other === undefined ? variant : { ...variant, expect: other[1] }
}

function needsOf(attack: Attack, { needs = attack.needs, leftOpen }: Variant): readonly string[] {
  return leftOpen === undefined ? needs : [...needs, 'strict-verifier']
}

function ofLevel(targets: readonly AttackTarget[], needs: readonly string[]): AttackTarget[] {
  return targets.filter(({ name, node }) => (name !== node) === isOnAction(needs))
}

/** The first need that no target has; else that no single one has them all. */
function whyNowhere(needs: readonly string[], all: readonly AttackTarget[]): string {
  const targets = ofLevel(all, needs)
  const missing = needs.find((need) => !targets.some(({ surfaces }) => surfaces.has(need)))
  return missing === undefined ? `no target has all of ${needs.join(', ')}` : `no target has ${missing}`
}
