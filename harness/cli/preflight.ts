import type { Site } from '../backends/backend.ts'
import type { Finding } from '../credentials/finding.ts'
import type { Plan } from '../topology/plan.ts'
import { printPhase } from './output.ts'

/** Tells what a plan says that cannot be meant, before anything starts. These are no test results. */
export async function tellDeclared(plan: Plan): Promise<readonly Finding[]> {
  const [{ declaredFindings }, { credentialKinds }] = await Promise.all([
    import('../trust/preflight/preflight.ts'),
    import('../shipped.ts'),
  ])
  return tell(declaredFindings(plan, credentialKinds))
}

/** Tells what is wrong with the keys, certificates and tokens that lie on the nodes of a site. */
export async function tellFiles(site: Site): Promise<readonly Finding[]> {
  const [{ fileFindings }, { siteFiles }, { credentialKinds }] = await Promise.all([
    import('../trust/preflight/preflight.ts'),
    import('../site/live-site.ts'),
    import('../shipped.ts'),
  ])
  const findings = await fileFindings(siteFiles(site), credentialKinds)
  const count = Object.keys(site.plan.credentials).length
  if (findings.length === 0) printPhase('done', 'preflight', `${count} credentials are as they were declared`)
  return tell(findings)
}

async function tell(findings: readonly Finding[]): Promise<readonly Finding[]> {
  const { findingText } = await import('../credentials/finding.ts')
  for (const finding of findings) printPhase('note', 'preflight', findingText(finding))
  return findings
}
