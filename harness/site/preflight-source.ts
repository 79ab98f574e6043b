import type { Site } from '../backends/backend.ts'
import { HoldfastError } from '../errors.ts'
import { exchange } from '../protocols/http/exchange.ts'
import type { PreflightSource } from '../trust/preflight/preflight.ts'
import { anchorOf, endpointOf, readRendered } from './site-files.ts'

/** An issuer did not tell where its keys are, or did not show them. */
class NoKeySet extends HoldfastError {
  constructor(url: string, status: number | null) {
    super('HOLDFAST_NO_KEY_SET', `${url} answered ${status ?? 'nothing'} instead of 200; is it the issuer's URL?`)
  }
}

/** What a preflight reads, from a launched site. */
export function siteSource(site: Site): PreflightSource {
  const get = async (url: string, issuer: string): Promise<unknown> => {
    const [domain = ''] = Object.entries(site.plan.trustDomains).find(([, { issuerUrl }]) => issuerUrl === issuer) ?? []
    const from = site.plan.trustDomains[domain]?.issuer ?? ''
    const endpoint = endpointOf(site, url, { from, anchorPem: await anchorOf(site, domain) })
    const { pathname, search } = new URL(url)
    const { status, body } = await exchange(endpoint, { method: 'GET', path: pathname + search, headers: [] })
    if (status !== 200) throw new NoKeySet(url, status)
    return JSON.parse(body)
  }
  return {
    read: (node, path) => readRendered(site, node, path),
    anchor: (domain) => anchorOf(site, domain),
    // RFC 8414 section 3: the path of an issuer comes after the well-known one.
    async jwks(issuer) {
      const { origin, pathname } = new URL(issuer)
      const path = `/.well-known/oauth-authorization-server${pathname.replace(/\/$/, '')}`
      const { jwks_uri: uri } = (await get(origin + path, issuer)) as { jwks_uri: string }
      return get(uri, issuer)
    },
  }
}
