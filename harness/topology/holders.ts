import type { Command, Plan, PlanAccept, PlanCredential, PlanUnit, Template } from './plan.ts'
import type { Topology } from './schema.ts'

/** The node that is meant where one holder is asked for: nearly every credential has one. */
export function holderOf({ holders }: Pick<PlanCredential, 'holders'>): string {
  return holders[0]!
}

/** Where a credential lies on a holder. Default: on the first. */
export function placeOf(
  credential: Pick<PlanCredential, 'holders' | 'files'>,
  holder = holderOf(credential),
): Template {
  return credential.files[holder]!
}

/** The node that calls with what is accepted. */
export function callerOf({ credentials }: Pick<Plan, 'credentials'>, { by, credential }: PlanAccept): string {
  return by ?? holderOf(credentials[credential]!)
}

/** The trust domain for which a node issues: the one that names it in a role, else its own. */
export function issuingDomain(
  { trustDomains, nodes }: Pick<Topology, 'trustDomains'> & { nodes: Readonly<Record<string, { domain: string }>> },
  issuer: string,
  roles: readonly ('ca' | 'issuer')[] = ['ca', 'issuer'],
): string {
  const all = Object.entries(trustDomains)
  const [named] = roles.flatMap((role) => all.flatMap(([domain, one]) => (one[role] === issuer ? domain : [])))
  return named ?? nodes[issuer]?.domain ?? ''
}

/** Which of our reference services a unit runs: as its service, or to its end where it writes decisions down. */
export function referenceService(unit: Ran): string | undefined {
  const program = ranBy(unit)?.program
  return program !== undefined && 'service' in program ? program.service : undefined
}

/** The same, or the subcommand of it, which is a program with guards of its own. */
export function referenceProgram(unit: Ran): string | undefined {
  const service = referenceService(unit)
  const [first = '-'] = ranBy(unit)?.args ?? []
  return service === undefined || first.startsWith('-') ? service : first
}

function ranBy({ service, steps = [], decisionLog }: Ran): Command | undefined {
  const ran = decisionLog === undefined ? [] : steps.flatMap((step) => ('run' in step ? step.run : []))
  return service?.command ?? ran[0]
}

type Ran = Pick<PlanUnit, 'service'> & Partial<Pick<PlanUnit, 'steps' | 'decisionLog'>>
