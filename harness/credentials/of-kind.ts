import { HoldfastError } from '../errors.ts'
import type { CredentialKindName, PlanCredentialOf } from '../topology/credential-types.ts'
import type { Plan } from '../topology/plan.ts'

/** Every credential of one kind, in the order of the plan. */
export function credentialsOf<Name extends CredentialKindName>(
  { credentials }: Pick<Plan, 'credentials'>,
  kind: Name,
): PlanCredentialOf<Name>[] {
  return Object.values(credentials).filter((one): one is PlanCredentialOf<Name> => one.kind === kind)
}

/** A credential of one kind by its name. @throws HoldfastError HOLDFAST_NO_SUCH_CREDENTIAL */
export function credentialOf<Name extends CredentialKindName>(plan: Plan, kind: Name, name: string) {
  const all = credentialsOf(plan, kind)
  const found = all.find((one) => one.name === name)
  if (found !== undefined) return found
  const known = all.map((one) => one.name).join(', ') || 'none'
  const message = `topology ${plan.topology}: "${name}" is no ${kind} of the plan; there is ${known}`
  throw new HoldfastError('HOLDFAST_NO_SUCH_CREDENTIAL', message)
}
