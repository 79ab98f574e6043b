import { expect } from 'vitest'
import { writeHistory } from '../evidence/history.ts'
import { type Secrets, secretsInFolder } from '../evidence/secret-search.ts'
import type { ScenarioSite } from '../site/scenario-site.ts'

/** Nothing that is kept of the run so far, the logs of all nodes included, may hold one of these, or any private key. */
export async function demandCleanEvidence(site: ScenarioSite, secrets: Secrets): Promise<void> {
  for (const { issuer } of Object.values(site.plan.trustDomains)) {
    // Not every issuer begins with a key that lies on its node.
    const key = issuer === undefined ? undefined : await site.signingKey(issuer).catch(() => undefined)
    for (const part of [key?.d, key?.p, key?.q]) if (part !== undefined) secrets.addText(part)
  }
  const history = await writeHistory(site.site)
  const { files, found } = await secretsInFolder(site.site.evidence, secrets)
  expect(files).toContain(history)
  expect(found, found.join('\n')).toEqual([])
}
