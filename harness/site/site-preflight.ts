import type { Site } from '../backends/backend.ts'
import type { Finding } from '../trust/preflight/finding.ts'
import { declaredFindings, fileFindings } from '../trust/preflight/preflight.ts'
import { siteSource } from './preflight-source.ts'

/** What is wrong with the data of a launched site: as its topology declares it, and as it lies on its nodes. */
export async function sitePreflight(site: Site): Promise<readonly Finding[]> {
  return [...declaredFindings(site.plan), ...(await fileFindings(site.plan, siteSource(site)))]
}
