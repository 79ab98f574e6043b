import type { Site } from '../backends/backend.ts'
import type { CredentialKind } from '../credentials/credential-kind.ts'
import type { Finding } from '../credentials/finding.ts'
import { declaredFindings, fileFindings } from '../trust/preflight/preflight.ts'
import { siteFiles } from './live-site.ts'

/** What is wrong with the data of a launched site: as its topology declares it, and as it lies on its nodes. */
export async function sitePreflight(site: Site, kinds: readonly CredentialKind[]): Promise<readonly Finding[]> {
  return [...declaredFindings(site.plan, kinds), ...(await fileFindings(siteFiles(site), kinds))]
}
