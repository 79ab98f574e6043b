import { HoldfastError } from '../errors.ts'
import type { Attack, Family } from './attack.ts'

/** Which attacks are meant: names of families, and ids of cases. Nothing given: all. */
export interface Choice {
  readonly families?: readonly string[]
  readonly cases?: readonly string[]
}

/** Nothing in the catalogue, or in the topology, is called so. Code `HOLDFAST_ATTACK_UNKNOWN`. */
export class AttackUnknown extends HoldfastError {
  constructor(what: string, name: string, known: readonly string[]) {
    super('HOLDFAST_ATTACK_UNKNOWN', `there is no ${what} called "${name}"; there is ${known.join(', ')}`)
  }
}

/** The attacks that are meant, in the order of the catalogue. @throws AttackUnknown */
export function chosenAttacks(families: readonly Family[], { families: wanted, cases }: Choice = {}): Attack[] {
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
