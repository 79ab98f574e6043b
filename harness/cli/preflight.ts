import type { Site } from '../backends/backend.ts'
import type { Plan } from '../topology/plan.ts'
import type { Finding } from '../trust/preflight/finding.ts'
import { printPhase } from './output.ts'

/** Tells what a plan says that cannot be meant, before anything starts. These are no test results. */
export async function tellDeclared(plan: Plan): Promise<readonly Finding[]> {
  const { declaredFindings } = await import('../trust/preflight/preflight.ts')
  return tell(declaredFindings(plan))
}

/** Tells what is wrong with the keys, certificates and tokens that lie on the nodes of a site. */
export async function tellFiles(site: Site): Promise<readonly Finding[]> {
  const [{ fileFindings }, { siteSource }] = await Promise.all([
    import('../trust/preflight/preflight.ts'),
    import('../site/preflight-source.ts'),
  ])
  const findings = await fileFindings(site.plan, siteSource(site))
  const count = Object.keys(site.plan.credentials).length
  if (findings.length === 0) printPhase('done', 'preflight', `${count} credentials are as they were declared`)
  return tell(findings)
}

async function tell(findings: readonly Finding[]): Promise<readonly Finding[]> {
  const { findingText } = await import('../trust/preflight/finding.ts')
  for (const finding of findings) printPhase('note', 'preflight', findingText(finding))
  return findings
}
