import type { Site } from '../backends/backend.ts'
import type { HeldFiles } from '../credentials/credential-kind.ts'
import { HoldfastError } from '../errors.ts'
import { exchange } from '../protocols/http/exchange.ts'
import { anchorOf, endpointOf, readRendered } from './site-files.ts'

/** A node did not show what it should publish. Code `HOLDFAST_NOT_PUBLISHED`. */
class NotPublished extends HoldfastError {
  constructor(url: string, status: number | null) {
    super('HOLDFAST_NOT_PUBLISHED', `${url} answered ${status ?? 'nothing'} instead of 200; is it the right URL?`)
  }
}

/** What a preflight reads, from a launched site. */
export function siteFiles(site: Site): HeldFiles {
  return {
    plan: site.plan,
    now: Date.now(),
    read: (node, path) => readRendered(site, node, path),
    anchor: (domain) => anchorOf(site, domain),
    async published(node, url) {
      const anchorPem = await anchorOf(site, site.plan.nodes[node]?.domain ?? '')
      const endpoint = endpointOf(site, url, { from: node, anchorPem })
      const { pathname, search } = new URL(url)
      const { status, body } = await exchange(endpoint, { method: 'GET', path: pathname + search, headers: [] })
      if (status !== 200) throw new NotPublished(url, status)
      return JSON.parse(body)
    },
  }
}
