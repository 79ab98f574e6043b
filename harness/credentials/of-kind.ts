import { HoldfastError } from '../errors.ts'
import type { Plan, PlanCredential } from '../topology/plan.ts'

type Kind = PlanCredential['kind']
export type OfKind<Name extends Kind> = Extract<PlanCredential, { kind: Name }>

/** The plan holds no credential of that name and kind. Code `HOLDFAST_NO_SUCH_CREDENTIAL`. */
export class NoSuchCredential extends HoldfastError {
  constructor({ topology, credentials }: Plan, kind: string, name: string) {
    const is = credentials[name] === undefined ? 'is not there' : `is a ${credentials[name].kind}`
    const known = Object.values(credentials).flatMap((one) => (one.kind === kind ? one.name : []))
    const there = known.length === 0 ? 'it has none' : `it has ${known.join(', ')}`
    super(
      'HOLDFAST_NO_SUCH_CREDENTIAL',
      `topology ${topology}: credential ${name} ${is}, and a ${kind} is needed; ${there}`,
    )
  }
}

/** Every credential of one kind, in the order of the plan. */
export function credentialsOf<Name extends Kind>(
  { credentials }: Pick<Plan, 'credentials'>,
  kind: Name,
): OfKind<Name>[] {
  return Object.values(credentials).filter((one): one is OfKind<Name> => one.kind === kind)
}

/** A credential of one kind by its name. @throws NoSuchCredential */
export function credentialOf<Name extends Kind>(plan: Plan, kind: Name, name: string): OfKind<Name> {
  const found = credentialsOf(plan, kind).find((one) => one.name === name)
  if (found === undefined) throw new NoSuchCredential(plan, kind, name)
  return found
}
