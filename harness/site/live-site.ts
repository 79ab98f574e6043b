import { signAtCa } from '../agent/enrol.ts'
import type { Site } from '../backends/backend.ts'
import type { CredentialKind, HeldFiles } from '../credentials/credential-kind.ts'
import type { Finding } from '../credentials/finding.ts'
import type { LiveSite } from '../credentials/live-site.ts'
import { HoldfastError } from '../errors.ts'
import type { Identity } from '../pki/certificate.ts'
import { newRequest } from '../pki/request.ts'
import { exchange } from '../protocols/http/exchange.ts'
import type { Enrol, HttpCall } from '../topology/plan.ts'
import { declaredFindings, fileFindings } from '../trust/preflight/preflight.ts'
import { authorityOf, endTokens, signingKeyOf } from './insider.ts'
import { anchorOf, endpointOf, readRendered } from './site-files.ts'

/** A node did not show what it should publish. Code `HOLDFAST_NOT_PUBLISHED`. */
class NotPublished extends HoldfastError {
  constructor(url: string, status: number | null) {
    super('HOLDFAST_NOT_PUBLISHED', `${url} answered ${status ?? 'nothing'} instead of 200; is it the right URL?`)
  }
}

export function siteFiles(site: Site): HeldFiles {
  return {
    plan: site.plan,
    now: Date.now(),
    read: (node, path) => readRendered(site, node, path),
    anchor: (domain) => anchorOf(site, domain),
    async published(node, url) {
      const { status, text } = await called(site, { from: node, to: node }, { method: 'GET', url })
      if (status !== 200) throw new NotPublished(url, status)
      return JSON.parse(text)
    },
  }
}

/** What is wrong with the data of a launched site: as its topology declares it, and as it lies on its nodes. */
export async function sitePreflight(site: Site, kinds: readonly CredentialKind[]): Promise<readonly Finding[]> {
  return [...declaredFindings(site.plan, kinds), ...(await fileFindings(siteFiles(site), kinds))]
}

/** A launched site as live credential kinds need it, for a test that has credentials of its own. */
export function liveSite(site: Site, own: Pick<LiveSite, 'fresh' | 'held'>): LiveSite {
  return {
    ...siteFiles(site),
    ...own,
    node: (name) => site.node(name),
    async enrol(enrol, holder) {
      const { ca, url, provisioner, subject, sans, lifetimeSeconds } = enrol
      const { keyPem, csrPem, x5rt } = await newRequest(enrol)
      const ott = await site.oneTimeToken(ca, { url, provisioner, subject, sans, x5rt })
      const { certPem } = await signAtCa({ ...(await caOf(site, enrol, holder)), csrPem, ott, lifetimeSeconds })
      return { certPem, keyPem }
    },
    callFrom: (node, call) => site.callFrom(node, call),
    callWith: (identity, from, to, call) => called(site, { from, to, identity }, call),
    authority: (node) => authorityOf(site, node, 'issuing'),
    signingKey: (node) => signingKeyOf(site, node),
    endTokens: (issuer, how, added) => endTokens(site, issuer, how, added),
  }
}

export async function caOf(site: Site, { url, anchor }: Enrol, holder: string) {
  return { url, resolveTo: site.resolve(new URL(url).hostname), anchorPem: await readRendered(site, holder, anchor) }
}

/** A call over a connection of its own, from the address of one node to another one. */
async function called(
  site: Site,
  { from, to, identity }: { from: string; to: string; identity?: Identity },
  { method, url, json }: Pick<HttpCall, 'method' | 'url' | 'json'>,
) {
  const anchorPem = await anchorOf(site, site.plan.nodes[to]?.domain ?? '')
  const { pathname, search } = new URL(url)
  const content = json === undefined ? [] : [['Content-Type', 'application/json'] as const]
  const request = { method, path: pathname + search, headers: content, body: JSON.stringify(json) }
  const { status, failure, body } = await exchange({ ...endpointOf(site, url, { from, anchorPem }), identity }, request)
  return { status, text: failure ? `${failure.code} ${failure.message}` : body }
}
