import { expect } from 'vitest'
import { writeHistory } from '../evidence/history.ts'
import { secretsInFolder } from '../evidence/secret-search.ts'
import type { ScenarioSite } from '../site/scenario-site.ts'

/** Nothing that is kept of the run so far, the logs of all nodes included, may hold a secret that is known, or any private key. */
export async function demandCleanEvidence(site: ScenarioSite): Promise<void> {
  const { secrets } = site.site
  for (const { issuer } of Object.values(site.plan.trustDomains)) {
    // Not every issuer begins with a key that lies on its node.
    const key = issuer === undefined ? undefined : await site.signingKey(issuer).catch(() => undefined)
    secrets.add([key?.d, key?.p, key?.q].filter((part) => part !== undefined))
  }
  const history = await writeHistory(site.site)
  const { files, found } = await secretsInFolder(site.site.evidence, secrets)
  expect(files).toContain(history)
  expect(found, found.join('\n')).toEqual([])
}
