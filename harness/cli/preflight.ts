import type { Site } from '../backends/backend.ts'
import { type Finding, findingText } from '../credentials/finding.ts'
import { credentialKinds } from '../shipped.ts'
import type { Plan } from '../topology/plan.ts'
import { declaredFindings, fileFindings } from '../trust/preflight/preflight.ts'
import { printPhase } from './output.ts'

/** Tells what a plan says that cannot be meant, before anything starts. These are no test results. */
export function tellDeclared(plan: Plan): readonly Finding[] {
  return tell(declaredFindings(plan, credentialKinds))
}

/** Tells what is wrong with the keys, certificates and tokens that lie on the nodes of a site. */
export async function tellFiles(site: Site): Promise<void> {
  // It takes a tenth of a second to load, so not before the site is ready.
  const { siteFiles } = await import('../site/live-site.ts')
  const findings = await fileFindings(siteFiles(site), credentialKinds)
  const count = Object.keys(site.plan.credentials).length
  if (findings.length === 0) printPhase('done', 'preflight', `${count} credentials are as they were declared`)
  tell(findings)
}

function tell(findings: readonly Finding[]): readonly Finding[] {
  for (const finding of findings) printPhase('note', 'preflight', findingText(finding))
  return findings
}
