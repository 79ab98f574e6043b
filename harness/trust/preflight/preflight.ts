import type { CredentialKind, HeldFiles } from '../../credentials/credential-kind.ts'
import { type Finding, secondsNeeded } from '../../credentials/finding.ts'
import type { Plan, PlanCredential } from '../../topology/plan.ts'

/** What a plan says about its credentials that compiles and yet cannot be meant. Reads nothing. */
export function declaredFindings(plan: Plan, kinds: readonly CredentialKind[]): Finding[] {
  return [
    ...Object.values(plan.credentials).flatMap(briefOnes),
    ...kinds.flatMap((kind) => kind.declaredFindings?.(plan) ?? []),
  ]
}

function briefOnes({ name, lifetimeSeconds = Infinity }: PlanCredential): Finding[] {
  if (lifetimeSeconds >= secondsNeeded) return []
  const message = `lives for ${lifetimeSeconds} s, less than a run of scenarios`
  const wayOut = `give it a lifetime of ${secondsNeeded}s or more`
  return [{ check: 'time-left', thing: name, place: `credentials.${name}`, message, wayOut }]
}

/** What is wrong with the files that lie at the holders of a plan's credentials. */
export async function fileFindings(files: HeldFiles, kinds: readonly CredentialKind[]): Promise<Finding[]> {
  const all = Object.values(files.plan.credentials)
  const found = kinds.map((kind) => {
    const held = all.filter((credential) => credential.kind === kind.name)
    return kind.findings(held, files)
  })
  return (await Promise.all(found)).flat()
}
